"""Average density: the number of groups, the notes, the published invariances."""

from __future__ import annotations

import numpy as np
import pytest
from tests.grouping.partitions import Matrix, given, planted, task_like

from cotrain.affinity.affinity import Affinity
from cotrain.affinity.aggregation import co_occurrence_mean
from cotrain.affinity.subset_losses import SubsetLosses
from cotrain.errors import InputError
from cotrain.grouping.average_density import AverageDensity


def with_subset_losses(gains: Matrix, noise: float, seed: int, subsets: int = 150) -> Affinity:
    """An affinity estimated from noisy losses of random subsets in which pairwise gains add up to a mean."""
    rng = np.random.default_rng(seed)
    tasks = len(gains)
    several = rng.random((subsets, tasks)) < 0.5
    mask = np.vstack([np.eye(tasks, dtype=bool), several[several.sum(axis=1) > 1]])
    partners = np.maximum(mask.sum(axis=1, keepdims=True) - 1, 1)
    gain = mask @ gains.T / partners + noise * rng.normal(size=mask.shape) * (mask.sum(axis=1, keepdims=True) > 1)
    loss = np.where(mask, 1.0 - gain, np.nan)
    names = tuple(f"t{place}" for place in range(tasks))
    losses = SubsetLosses(names, mask, loss, np.full(loss.shape, np.nan), np.full(len(mask), "measured"))
    matrix, error, counts = co_occurrence_mean(losses)
    return Affinity(names, matrix, error, counts, subset_losses=losses)


def test_number_of_groups_is_chosen_on_held_out_subsets() -> None:
    truth = np.arange(9) % 3
    gains = np.where(truth[:, None] == truth[None, :], 0.3, -0.05)
    np.fill_diagonal(gains, 0.0)
    grouping = AverageDensity().group(with_subset_losses(gains, noise=0.05, seed=0))
    assert grouping.notes[0] == "number of groups: by held-out subset losses"
    assert [set(group) for group in grouping.groups] == [{f"t{i}" for i in range(9) if i % 3 == k} for k in range(3)]


def test_held_out_losses_do_not_split_where_there_is_nothing_to_gain() -> None:
    held_out, by_objective = [], []
    for seed in range(5):
        affinity = with_subset_losses(np.full((8, 8), 0.2) - 0.2 * np.eye(8), noise=0.6, seed=seed, subsets=60)
        held_out.append(len(AverageDensity().group(affinity).groups))
        by_objective.append(len(AverageDensity().group(given(affinity.matrix)).groups))
    assert np.mean(held_out) < np.mean(by_objective)
    assert np.median(held_out) == 1


def test_pairs_measured_once_leave_nothing_to_hold_out() -> None:
    subsets = [("a",), ("b",), ("c",), ("a", "b"), ("a", "c"), ("b", "c")]
    losses = SubsetLosses.from_dict({subset: dict.fromkeys(subset, 0.5 / len(subset)) for subset in subsets})
    matrix, error, counts = co_occurrence_mean(losses)
    grouping = AverageDensity().group(Affinity(losses.tasks, matrix, error, counts, subset_losses=losses))
    assert grouping.notes[0] == "number of groups: by the objective"


def test_a_price_for_each_group_gives_fewer_of_them() -> None:
    affinity = given(planted(9, 3, 0.1, seed=0)[0])
    counts = [len(AverageDensity(penalty=penalty).group(affinity).groups) for penalty in (0.0, 0.5, 5.0)]
    assert counts == sorted(counts, reverse=True)
    assert (counts[0], counts[-1]) == (3, 1)


@pytest.mark.parametrize("tasks", [10, 30])
def test_all_in_one_and_one_per_task_are_candidates(tasks: int) -> None:
    helpful, harmful = np.full((tasks, tasks), 0.2), np.full((tasks, tasks), -0.2)
    assert len(AverageDensity().group(given(helpful)).groups) == 1
    assert len(AverageDensity().group(given(harmful)).groups) == tasks
    assert len(AverageDensity(networks=4).group(given(harmful)).groups) <= 4


def test_a_note_says_when_all_in_one_is_worth_more() -> None:
    grouping = AverageDensity(networks=2, exactly=True).group(given(np.full((5, 5), 0.2)))
    assert "all-in-one is worth more under the same objective" in grouping.notes
    assert grouping.diagnostics["alternatives"]["all-in-one"] == pytest.approx(0.2 * 4)


@pytest.mark.parametrize("tasks", [8, 27])
def test_constant_shifts_of_rows_change_nothing(tasks: int) -> None:
    """Rows of every partition's matrix sum to one, so a shift of a whole row (diagonal included) is a constant."""
    matrix = task_like(tasks, 3, seed=0)
    shift = np.random.default_rng(0).normal(size=(tasks, 1))
    for networks in (3, None):
        plain = AverageDensity(networks=networks, diagonal="keep").group(given(matrix))
        shifted = AverageDensity(networks=networks, diagonal="keep").group(given(matrix + shift))
        assert plain.groups == shifted.groups
        assert shifted.objective == pytest.approx(plain.objective + shift.sum())


def test_diagonal_decides_between_alone_and_together() -> None:
    matrix = np.array([[0.5, 0.2], [0.2, 0.5]])
    assert len(AverageDensity().group(given(matrix)).groups) == 1
    assert len(AverageDensity(diagonal="keep").group(given(matrix)).groups) == 2


def test_a_number_at_the_edge_of_the_budget_is_said() -> None:
    matrix = np.kron(np.eye(4), np.ones((2, 2))).astype(np.float64) * 0.4 - 0.1
    np.fill_diagonal(matrix, 0.0)
    affinity = with_subset_losses(matrix, noise=0.01, seed=0)
    assert "more may be better" in AverageDensity(networks=2).group(affinity).notes[0]
    assert "more may be better" not in AverageDensity().group(affinity).notes[0]


def test_an_exact_number_must_be_named() -> None:
    with pytest.raises(InputError, match="`exactly` needs `networks`"):
        AverageDensity(exactly=True)
