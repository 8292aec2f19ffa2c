"""Average density is solved exactly for few tasks and with a valid bound for many."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score
from tests.grouping.partitions import Matrix, best_by_count, planted, symmetric, task_like

from cotrain.grouping.density.column_generation import ColumnGeneration
from cotrain.grouping.density.group_count import GroupCount
from cotrain.grouping.density.objective import density, subset_densities
from cotrain.grouping.density.relaxation import Relaxation
from cotrain.grouping.density.rounding import threshold_rounding, with_groups
from cotrain.grouping.density.solver import DensitySolver, Solution
from cotrain.grouping.density.splitting import Splitting


def random_matrix(rng: np.random.Generator, tasks: int) -> Matrix:
    """Noise of varying offset and row scale, so that merging, splitting and neither all happen."""
    matrix = rng.normal(size=(tasks, tasks)) * rng.exponential(size=(tasks, 1)) + rng.normal()
    return symmetric(np.asarray(matrix, dtype=np.float64))


def test_equals_brute_force_for_every_number_of_groups_on_1000_instances() -> None:
    rng = np.random.default_rng(0)
    sizes = rng.choice([1, 2, 3, 4, 5, 6, 7], p=[0.02, 0.08, 0.2, 0.25, 0.35, 0.08, 0.02], size=1000)
    for tasks in sizes.tolist():
        matrix = random_matrix(rng, tasks)
        best = best_by_count(matrix)
        for groups, value in best.items():
            found = DensitySolver(matrix, GroupCount(groups)).solve()
            assert found.value == pytest.approx(value, abs=1e-9)
            assert len(np.unique(found.labels)) == groups
            assert found.proof == "exact"
        most, penalty = int(rng.integers(1, tasks + 1)), float(rng.exponential())
        free = DensitySolver(matrix, GroupCount(most, exact=False, penalty=penalty)).solve()
        assert free.value == pytest.approx(max(best[k] - penalty * k for k in range(1, most + 1)), abs=1e-9)


@pytest.mark.parametrize("seed", range(12))
def test_column_generation_equals_dynamic_programming(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tasks = int(rng.integers(4, 11))
    matrix = random_matrix(rng, tasks)
    for count in (GroupCount(int(rng.integers(2, tasks))), GroupCount(tasks, exact=False, penalty=0.1)):
        exact = DensitySolver(matrix, count).solve()
        worth = subset_densities(matrix) - count.penalty
        start = [1 << task for task in range(count.most - 1)] if count.exact else []
        optimum = ColumnGeneration(worth, count).solve([*start, (1 << tasks) - 1 - sum(start)])
        assert optimum.exact
        assert optimum.bound == pytest.approx(exact.value, abs=1e-7)
        assert sum(optimum.subsets) == (1 << tasks) - 1


@pytest.mark.parametrize(("tasks", "groups"), [(15, 4), (19, 6)])
def test_sixteen_and_more_tasks_are_proven_optimal(tasks: int, groups: int) -> None:
    matrix = symmetric(task_like(tasks, groups, seed=tasks))
    solver = DensitySolver(matrix, GroupCount(groups))
    found = solver.solve()
    assert found.proof == "exact"
    assert found.value >= solver.heuristic()[1] - 1e-9
    assert found.value <= Relaxation(matrix, GroupCount(groups)).bound(np.zeros_like(matrix))


@pytest.mark.parametrize("count", [GroupCount(4), GroupCount(7), GroupCount(40, exact=False, penalty=0.02)])
def test_above_24_tasks_the_bound_holds_and_is_tight_on_blocks(count: GroupCount) -> None:
    matrix = symmetric(planted(40, 4, 0.3, seed=1)[0])
    found = DensitySolver(matrix, count).solve()
    assert found.proof == "certified"
    assert found.bound >= found.value
    assert found.value == pytest.approx(density(matrix, found.labels) - count.penalty * len(np.unique(found.labels)))
    if count.most == 4:
        assert found.bound - found.value <= 1e-3 * found.bound


def test_planted_groups_are_recovered_through_noise() -> None:
    scores = []
    for seed in range(10):
        matrix, truth = planted(40, 5, 1.2, seed)
        scores.append(
            adjusted_rand_score(truth, DensitySolver(symmetric(matrix), GroupCount(5), tolerance=0.1).solve().labels)
        )
    assert np.mean(scores) >= 0.65


@pytest.mark.parametrize("seed", range(4))
def test_never_below_the_published_rounding(seed: int) -> None:
    matrix = symmetric(task_like(36, 6, seed))
    iterate = Splitting(Relaxation(matrix, GroupCount(6))).run(100)
    published = threshold_rounding(iterate.solution)
    found = DensitySolver(matrix, GroupCount(6)).solve()
    assert found.value >= density(matrix, with_groups(matrix, published, 6)) - 1e-9
    free = DensitySolver(matrix, GroupCount(36, exact=False)).solve()
    assert free.value >= density(matrix, published) - 1e-9


@pytest.mark.parametrize(
    "matrix",
    [np.full((30, 30), 0.3), np.zeros((30, 30)), -np.abs(task_like(30, 3, 0)), np.full((26, 26), -1.0)],
    ids=["constant", "zero", "all-negative", "constant negative"],
)
def test_degenerate_matrices_have_an_answer(matrix: Matrix) -> None:
    matrix = symmetric(matrix)
    fixed: Solution = DensitySolver(matrix, GroupCount(3)).solve()
    assert len(np.unique(fixed.labels)) == 3
    free = DensitySolver(matrix, GroupCount(len(matrix), exact=False)).solve()
    assert free.value >= max(DensitySolver(matrix, GroupCount(len(matrix), exact=False)).alternatives().values())
    assert free.bound >= free.value


@pytest.mark.parametrize("count", [GroupCount(5), GroupCount(30, exact=False)])
def test_where_no_bound_is_close_all_starts_of_local_search_are_tried(count: GroupCount) -> None:
    solver = DensitySolver(symmetric(np.random.default_rng(0).normal(size=(30, 30))), count)
    found = solver.solve()
    assert found.bound - found.value > solver.tolerance * found.bound
    assert found.value >= solver.heuristic()[1] - 1e-9


def test_two_thousand_tasks_are_grouped() -> None:
    matrix = symmetric(planted(2000, 10, 0.5, seed=0)[0])
    labels, value = DensitySolver(matrix, GroupCount(10)).heuristic()
    assert len(np.unique(labels)) == 10
    assert value > 0.9 * density(matrix, np.arange(2000) % 10)
