"""Figures draw what the data say."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from tests.reporting.factory import HOSTILE, make_affinity, make_trained, with_subset_losses

from cotrain.affinity.affinity import Affinity
from cotrain.evaluation.trained import TrainedGroups
from cotrain.reporting import figures
from cotrain.reporting.estimate_check import check_estimate
from cotrain.reporting.figures.ordering import clustered_order

DRAW: dict[str, Callable[[TrainedGroups, Axes], Axes]] = {
    "affinity": lambda trained, ax: figures.affinity_heatmap(_estimate(trained), trained.grouping, ax=ax),
    "gains": lambda trained, ax: figures.gain_per_task(trained.verdict, ax=ax),
    "arms": lambda trained, ax: figures.gain_of_arms(trained.verdict, ax=ax),
    "estimate": lambda trained, ax: figures.estimated_vs_measured(trained, ax=ax),
    "costs": lambda trained, ax: figures.cost_bars(trained, ax=ax),
}


def _estimate(trained: TrainedGroups) -> Affinity:
    if trained.estimate is None:
        pytest.fail("the factory makes an estimate")
    return trained.estimate


def _axes() -> Axes:
    return Figure(figsize=(7, 5), layout="constrained").add_subplot()


@pytest.mark.parametrize("name", DRAW)
@pytest.mark.parametrize(("tasks", "seeds"), [(1, 3), (2, 1), (7, 3), (70, 2)])
def test_every_figure_draws_on_the_axes_it_is_given(name: str, tasks: int, seeds: int) -> None:
    ax = _axes()
    assert DRAW[name](make_trained(tasks, seeds=seeds), ax) is ax
    figure = ax.get_figure()
    assert figure is not None
    figure.canvas.draw()
    assert ax.get_title(loc="left")


@pytest.mark.parametrize("name", DRAW)
def test_hostile_names_are_drawn_as_they_are(name: str) -> None:
    ax = DRAW[name](make_trained([HOSTILE, "$\\badmath{$", "b"]), _axes())
    figure = ax.get_figure()
    assert figure is not None
    figure.canvas.draw()


def test_the_heat_map_shows_the_matrix_in_clustered_order() -> None:
    affinity = make_affinity([f"t{i}" for i in range(6)])
    ax = figures.affinity_heatmap(affinity, ax=_axes())
    names = [text.get_text() for text in ax.get_yticklabels()]
    assert names == [text.get_text() for text in ax.get_xticklabels()]
    assert sorted(names) == sorted(affinity.tasks)
    shown = np.ma.filled(np.ma.asarray(ax.images[0].get_array()), np.nan)
    expected = affinity.with_tasks(names).matrix
    off = ~np.eye(6, dtype=bool)
    np.testing.assert_allclose(shown[off], expected[off])


def test_the_clustered_order_follows_names_not_positions() -> None:
    affinity = make_affinity([f"t{i}" for i in range(8)], seed=3)
    order = [affinity.tasks[i] for i in clustered_order(affinity)]
    shuffled = affinity.with_tasks(["t5", "t0", "t7", "t3", "t1", "t6", "t2", "t4"])
    assert [shuffled.tasks[i] for i in clustered_order(shuffled)] == order


def test_groups_stay_in_one_piece() -> None:
    trained = make_trained(12, networks=4)
    affinity = _estimate(trained)
    serving = [trained.grouping.serving[affinity.tasks[i]] for i in clustered_order(affinity, trained.grouping)]
    changes = sum(left != right for left, right in pairwise(serving))
    assert changes == 3


def test_gains_are_those_of_the_verdict_best_first() -> None:
    trained = make_trained(6)
    ax = figures.gain_per_task(trained.verdict, ax=_axes())
    gains = dict(zip(trained.verdict.tasks, trained.verdict.gains("one-per-task").mean(axis=0), strict=True))
    names = [text.get_text() for text in ax.get_yticklabels()]
    drawn = np.asarray(ax.containers[0][0].get_xdata())
    np.testing.assert_allclose(drawn, [gains[name] for name in names])
    assert (np.diff(drawn) <= 0).all()


def test_the_estimate_of_the_very_subset_is_preferred() -> None:
    trained = make_trained(6, networks=2)
    affinity = with_subset_losses(_estimate(trained), trained.grouping.groups, gain=0.25)
    check = check_estimate(TrainedGroups("x", trained.grouping, trained.verdict, {}, affinity))
    assert check is not None
    np.testing.assert_allclose(check.estimated, 0.25)
    other = check_estimate(trained)
    assert other is not None
    task = other.tasks[0]
    partners = [name for name in trained.grouping.group_of(task) if name != task]
    expected = _estimate(trained).to_frame().loc[task, partners].mean()
    assert other.estimated[0] == pytest.approx(expected)
