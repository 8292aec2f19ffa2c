"""Rounding gives the wanted number of groups; the published rule is reproduced."""

from __future__ import annotations

import numpy as np
import pytest
from tests.grouping.partitions import Matrix, symmetric

from cotrain.grouping.density.rounding import spectral_rounding, threshold_rounding, with_groups


def published_rule(solution: Matrix) -> list[list[int]]:
    """Methods notes, section 1.5: scan the rows; a row opens a group and takes every later free one above 1/n."""
    size = len(solution)
    free, groups = set(range(size)), []
    for row in range(size):
        if row in free:
            group = [row] + [j for j in range(row + 1, size) if j in free and solution[row, j] > 1 / size]
            free -= set(group)
            groups.append(group)
    return groups


@pytest.mark.parametrize("seed", range(5))
def test_threshold_rounding_is_the_published_rule(seed: int) -> None:
    solution = symmetric(np.random.default_rng(seed).exponential(1 / 10, size=(10, 10)))
    labels = threshold_rounding(solution)
    assert [np.flatnonzero(labels == label).tolist() for label in range(labels.max() + 1)] == published_rule(solution)


def test_spectral_rounding_recovers_a_partition() -> None:
    member = np.eye(3)[np.array([0, 1, 2, 0, 1, 2, 0])]
    labels = spectral_rounding((member / member.sum(axis=0)) @ member.T, 3, seed=0)
    assert len({(labels[i], i % 3) for i in range(7)}) == 3


@pytest.mark.parametrize("groups", [1, 2, 4, 8])
def test_with_groups_gives_as_many_as_wanted(groups: int) -> None:
    matrix = symmetric(np.random.default_rng(0).normal(size=(8, 8)))
    labels = with_groups(matrix, np.array([0, 0, 1, 1, 5, 5, 5, 9]), groups)
    assert len(np.unique(labels)) == groups
