"""Average density: the sum over groups of all affinities inside, divided by the size of the group."""

from __future__ import annotations

import numpy as np

from cotrain.grouping.matrices import Labels, Matrix


def density(matrix: Matrix, labels: Labels) -> float:
    r"""Return :math:`\sum_C \frac{1}{|C|} \sum_{i, j \in C} A_{ij}` of a partition.

    Each task counts with the mean of what it receives from its group, itself included, so that with a zero diagonal a
    task alone is worth nothing. A constant added to a row or a column of the whole matrix shifts every partition alike.

    Examples
    --------
    >>> density(np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]), np.array([0, 0, 1]))
    1.0
    """
    member = labels[:, None] == np.unique(labels)[None, :]
    inside = ((matrix @ member) * member).sum(axis=0)
    return float((inside / member.sum(axis=0)).sum())


def subset_densities(matrix: Matrix) -> Matrix:
    """Return the density of every subset of tasks, indexed by its bits (task 0 is the lowest); the empty one is zero.

    Doubling: the subsets with task ``m`` are those without it plus one row sum, so the table costs ``O(2^n)`` time and
    ``24 * 2^n`` bytes.

    Examples
    --------
    >>> subset_densities(np.array([[0.0, 1.0], [1.0, 0.0]])).tolist()
    [0.0, 0.0, 0.0, 1.0]
    """
    total = np.zeros(1 << len(matrix))
    for task, row in enumerate(matrix):
        size = 1 << task
        total[size : 2 * size] = total[:size] + 2 * subset_sums(row[:task]) + row[task]
    return total / np.maximum(np.bitwise_count(np.arange(len(total), dtype=np.uint32)), 1)


def subset_sums(values: Matrix) -> Matrix:
    """Return the sum of ``values`` over every subset, indexed by its bits.

    Examples
    --------
    >>> subset_sums(np.array([1.0, 10.0])).tolist()
    [0.0, 1.0, 10.0, 11.0]
    """
    sums = np.zeros(1 << len(values))
    for place, value in enumerate(values):
        size = 1 << place
        np.add(sums[:size], value, out=sums[size : 2 * size])
    return sums
