"""Brute force over partitions, and matrices to group."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cotrain.affinity.affinity import Affinity
from cotrain.grouping.density.objective import density

Matrix = NDArray[np.float64]


def partitions(tasks: int) -> Iterator[NDArray[np.int64]]:
    """All partitions, as labels in order of first appearance."""
    labels = [[0]]
    for _ in range(tasks - 1):
        labels = [[*known, label] for known in labels for label in range(max(known) + 2)]
    yield from map(np.array, labels)


def best_by_count(matrix: Matrix) -> dict[int, float]:
    """The highest density for every number of groups, by trying all partitions."""
    best: dict[int, float] = {}
    for labels in partitions(len(matrix)):
        groups = int(labels.max()) + 1
        best[groups] = max(best.get(groups, -np.inf), density(matrix, labels))
    return best


def symmetric(matrix: Matrix) -> Matrix:
    """What a grouper sees of a matrix: symmetric, zero diagonal."""
    result: Matrix = (matrix + matrix.T) / 2
    np.fill_diagonal(result, 0.0)
    return result


def given(matrix: Matrix) -> Affinity:
    """An affinity among tasks t000, t001, ..."""
    return Affinity.from_matrix([f"t{place:03d}" for place in range(len(matrix))], matrix)


def planted(tasks: int, groups: int, noise: float, seed: int) -> tuple[Matrix, NDArray[np.int64]]:
    """Affinity one within equal groups, zero between, plus noise; and the groups."""
    rng = np.random.default_rng(seed)
    truth = np.arange(tasks) % groups
    matrix = (truth[:, None] == truth[None, :]) + noise * rng.normal(size=(tasks, tasks))
    return np.asarray(matrix, dtype=np.float64), truth


def task_like(tasks: int, groups: int, seed: int) -> Matrix:
    """Affinities as tasks have them: inner products of noisy shared directions, less a cost of sharing, plus noise."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(groups, 8))
    features = shared[rng.integers(groups, size=tasks)] + 0.5 * rng.normal(size=(tasks, 8))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return np.asarray(0.1 * features @ features.T - 0.03 + 0.01 * rng.normal(size=(tasks, tasks)), dtype=np.float64)
