"""Overlapping density equals brute force on few tasks and never loses to the partition."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from tests.grouping.partitions import Matrix, given, symmetric, task_like

from cotrain.grouping.average_density import AverageDensity
from cotrain.grouping.overlapping_density import OverlappingDensity


def best_cover(matrix: Matrix, groups: int) -> float:
    """The highest total density of different groups holding every task, by trying all."""
    tasks = range(len(matrix))
    subsets = [subset for size in range(1, len(matrix) + 1) for subset in combinations(tasks, size)]
    density = {subset: float(matrix[np.ix_(subset, subset)].sum()) / len(subset) for subset in subsets}
    covers = (chosen for chosen in combinations(subsets, groups) if set().union(*chosen) == set(tasks))
    return max(sum(density[subset] for subset in chosen) for chosen in covers)


@pytest.mark.parametrize("seed", range(10))
def test_equals_brute_force(seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(4, 4)) + rng.normal()
    for groups in (1, 2, 3):
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
