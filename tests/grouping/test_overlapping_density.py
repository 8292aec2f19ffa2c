"""Overlapping density equals brute force on few tasks and never loses to the partition."""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.grouping.partitions import Matrix, given, symmetric, task_like

from cotrain.grouping.average_density import AverageDensity
from cotrain.grouping.overlapping_density import OverlappingDensity


@lru_cache
def covers(tasks: int, groups: int) -> NDArray[np.int64]:
    """All choices of different non-empty subsets, as bit patterns ``(choices, groups)``, that hold every task."""
    chosen = np.array(list(combinations(range(1, 1 << tasks), groups)), dtype=np.int64)
    covering: NDArray[np.int64] = chosen[np.bitwise_or.reduce(chosen, axis=1) == (1 << tasks) - 1]
    return covering


def best_cover(matrix: Matrix, groups: int) -> float:
    """The highest total density of different groups that hold every task, by trying all."""
    worth = [0.0]
    for pattern in range(1, 1 << len(matrix)):
        inside = [task for task in range(len(matrix)) if pattern >> task & 1]
        worth.append(float(matrix[np.ix_(inside, inside)].sum()) / len(inside))
    return float(np.array(worth)[covers(len(matrix), groups)].sum(axis=1).max())


def test_equals_brute_force_on_1000_instances() -> None:
    rng = np.random.default_rng(0)
    sizes = rng.choice([2, 3, 4, 5, 6, 7], p=[0.1, 0.4, 0.35, 0.1, 0.045, 0.005], size=1000)
    for tasks in sizes.tolist():
        matrix = rng.normal(size=(tasks, tasks)) * rng.exponential(size=(tasks, 1)) + rng.normal()
        groups = int(rng.integers(1, min(tasks, 3) + 1))
        found = OverlappingDensity(networks=groups).group(given(matrix))
        assert found.proof == "exact"
        assert found.objective == pytest.approx(best_cover(symmetric(matrix), groups))


@pytest.mark.parametrize("tasks", [12, 30])
def test_sharing_tasks_never_costs(tasks: int) -> None:
    affinity = given(task_like(tasks, 4, seed=0))
    shared = OverlappingDensity(networks=4).group(affinity)
    assert shared.objective >= AverageDensity(networks=4, exactly=True).group(affinity).objective - 1e-9
    assert shared.bound >= shared.objective
    assert shared.proof == ("exact" if tasks == 12 else "heuristic")
