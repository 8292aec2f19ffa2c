"""Figures draw what the data say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import AxLine
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from tests.reporting.factory import HOSTILE, make_affinity, make_trained, with_subset_losses

from cotrain.affinity.affinity import Affinity
from cotrain.cost import Cost
from cotrain.evaluation.intervals import t_interval
from cotrain.evaluation.trained import TrainedGroups
from cotrain.evaluation.verdict import ArmName
from cotrain.reporting import figures
from cotrain.reporting.estimate_check import check_estimate
from cotrain.reporting.figures.costs import cost_rows
from cotrain.reporting.figures.ordering import clustered_order

DRAW: dict[str, Callable[[TrainedGroups, Axes | None], Axes]] = {
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


def _shown(ax: Axes) -> NDArray[np.float64]:
    values: NDArray[np.float64] = np.ma.filled(np.ma.masked_invalid(np.ma.asarray(ax.images[0].get_array())), np.nan)
    return values


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
def test_pyplot_is_used_only_without_axes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = make_trained(4, seeds=2)
    DRAW[name](trained, _axes())
    assert not plt.get_fignums()
    monkeypatch.setattr(plt, "show", lambda: pytest.fail("showing is for the user"))
    DRAW[name](trained, None)
    assert len(plt.get_fignums()) == 1
    plt.close("all")


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
    shown = _shown(ax)
    expected = affinity.with_tasks(names).matrix
    off = ~np.eye(6, dtype=bool)
    np.testing.assert_allclose(shown[off], expected[off])


def test_one_outlier_does_not_bleach_the_heat_map() -> None:
    matrix = np.full((12, 12), 0.05)
    matrix[3, 4] = -40.0
    ax = figures.affinity_heatmap(Affinity.from_matrix([f"t{i}" for i in range(12)], matrix), ax=_axes())
    np.testing.assert_allclose(np.array(ax.images[0].get_clim()), [-0.05, 0.05])
    assert "-4000.0" in {text.get_text() for text in ax.texts}


def test_unknown_entries_and_the_diagonal_carry_no_value() -> None:
    matrix = np.array([[1.0, np.nan, 0.2], [0.1, 1.0, -0.3], [np.nan, 0.2, 1.0]])
    ax = figures.affinity_heatmap(Affinity.from_matrix(["a", "b", "c"], matrix, unit="cosine"), ax=_axes())
    assert sorted(text.get_text() for text in ax.texts) == ["+0.10", "+0.20", "+0.20", "-0.30"]
    assert np.isnan(_shown(ax)).sum() == 5
    assert ax.get_title(loc="left") == "75% of the pairs help"


def test_the_heat_map_frames_and_numbers_the_groups() -> None:
    trained = make_trained(20, networks=3)
    ax = figures.affinity_heatmap(_estimate(trained), trained.grouping, ax=_axes())
    frames = [patch for patch in ax.patches if isinstance(patch, Rectangle) and not patch.get_fill()]
    assert sorted(frame.get_width() for frame in frames) == [6, 7, 7]
    assert sorted(text.get_text() for text in ax.texts) == ["1", "1", "2", "2", "3", "3"]


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


def test_bars_are_the_intervals_over_seeds() -> None:
    verdict = make_trained(5, seeds=3).verdict
    ax = verdict.plot(_axes())
    names = [text.get_text() for text in ax.get_yticklabels()]
    baselines: tuple[ArmName, ...] = ("one-per-task", "all-in-one")
    for container, baseline in zip(ax.containers, baselines, strict=True):
        _, half_width = t_interval(verdict.gains(baseline))
        bars = container[2][0].get_segments()
        drawn = [(bar[1, 0] - bar[0, 0]) / 2 for bar in bars]
        np.testing.assert_allclose(drawn, [half_width[verdict.tasks.index(name)] for name in names])


def test_one_seed_has_no_interval_and_says_so() -> None:
    ax = figures.gain_per_task(make_trained(5, seeds=1).verdict, ax=_axes())
    assert "one seed, so no interval" in ax.get_xlabel()
    assert "beyond noise" not in ax.get_title(loc="left")


def test_of_many_tasks_the_best_and_the_worst_are_drawn() -> None:
    verdict = make_trained(75, seeds=2).verdict
    ax = figures.gain_per_task(verdict, ax=_axes())
    names = [text.get_text() for text in ax.get_yticklabels()]
    order = np.argsort(-verdict.gains("one-per-task").mean(axis=0))
    assert names[:30] == [verdict.tasks[at] for at in order[:30]]
    assert "15 between" in names[30]
    assert names[31:] == [verdict.tasks[at] for at in order[-30:]]


def test_arms_show_their_mean_gains() -> None:
    verdict = make_trained(6).verdict
    ax = figures.gain_of_arms(verdict, ax=_axes())
    assert [text.get_text() for text in ax.get_yticklabels()] == ["chosen", "random", "all-in-one", "one-per-task"]
    drawn = np.asarray(ax.containers[1][0].get_xdata())
    assert drawn[0] == pytest.approx(verdict.comparison("all-in-one").gain)
    assert drawn[2] == 0


def test_costs_are_in_trainings_of_the_all_in_one_network() -> None:
    trained = make_trained(6, networks=2)
    ax = figures.cost_bars(trained, ax=_axes())
    bars = [patch.get_width() for patch in ax.patches if isinstance(patch, Rectangle)]
    widths = dict(zip([text.get_text() for text in ax.get_yticklabels()], bars, strict=True))
    expected = {"all-in-one": 1, "chosen groups": 2, "random groups": 2, "one per task": 6, "estimate (grad-tag)": 3.2}
    assert widths == pytest.approx(expected)
    assert ax.get_title(loc="left").endswith("judging all arms cost 90×")


def test_a_cost_that_was_not_counted_is_unknown_not_zero() -> None:
    trained = make_trained(3)
    uncounted = replace(trained, estimate=replace(_estimate(trained), cost=Cost(seconds=3.0)))
    relative = {row.label: row.relative for row in cost_rows(uncounted)}
    assert np.isnan(relative["estimate (grad-tag)"])
    ax = figures.cost_bars(uncounted, ax=_axes())
    assert len(ax.patches) == 4


@pytest.mark.parametrize(("unit", "identity"), [("gain", True), ("cosine", False)])
def test_only_gains_are_compared_one_to_one(unit: str, identity: bool) -> None:
    trained = make_trained(9, unit=unit)
    ax = figures.estimated_vs_measured(trained, ax=_axes())
    check = check_estimate(trained)
    assert check is not None
    drawn = np.concatenate([np.asarray(container[0].get_xydata()) for container in ax.containers])
    assert {tuple(point) for point in drawn} == set(zip(check.estimated, check.measured, strict=True))
    assert any(isinstance(line, AxLine) for line in ax.lines) == identity
    assert f"{check.pearson:.2f} (ranks {check.spearman:.2f})" in ax.get_title(loc="left")


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
