"""Mean L1 distances between the row gradients of tasks: row by row where they share rows, else as distributions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cotrain.affinity.landscapes.cauchy_sketch import l1_norms

_SHIFTS = 4
"""Random partners of every row where tasks share no rows."""
Matrix: TypeAlias = NDArray[np.float64]
Index: TypeAlias = Tensor | slice


class RowSketches(NamedTuple):
    """Sketched gradients ``vectors (n, d)`` of the ``rows (n,)``, in random order."""

    rows: Tensor
    vectors: Tensor


class Distances(NamedTuple):
    """``(tasks, tasks)``: distances, and what they would be between tasks that have nothing in common."""

    found: Matrix
    unrelated: Matrix


def paired_distances(tasks: Sequence[RowSketches], others: Sequence[RowSketches]) -> Matrix:
    """Return ``mean_k |g_i(x_k) - g_j(x_k)|_1`` of each task with each other, over the rows they have in common.

    Cost: ``d`` logarithms per pair of tasks and common row.

    Parameters
    ----------
    tasks, others
        As many of both, in one order; what a task means to itself is zero.
    """
    return _symmetric(len(tasks), lambda i, j: _mean_distance(tasks[i], others[j], *_common_rows(tasks[i], others[j])))


def energy_distances(tasks: Sequence[RowSketches], others: Sequence[RowSketches]) -> Distances:
    """Return energy distances ``2 E|g_i - g_j| - E|g_i - g_i'| - E|g_j - g_j'|``, and ``2 E|g_i - g_j|`` alone.

    Rows meet at random, a few times each. Without the terms within tasks, a task with widely spread gradients would be
    far from every other, another half of its own rows included.
    """
    own, other = ([_mean_distance(task, task, *_random_pairs(task, task)) for task in side] for side in (tasks, others))
    between = _symmetric(
        len(tasks), lambda i, j: 2 * _mean_distance(tasks[i], others[j], *_random_pairs(tasks[i], others[j]))
    )
    within = _symmetric(len(tasks), lambda i, j: own[i] + other[j])
    return Distances(between - within, between)


def _symmetric(count: int, distance: Callable[[int, int], float]) -> Matrix:
    distances = np.zeros((count, count))
    for i, j in zip(*np.triu_indices(count, 1), strict=True):
        distances[i, j] = distances[j, i] = distance(int(i), int(j))
    return distances


def _mean_distance(one: RowSketches, other: RowSketches, mine: Index, theirs: Index) -> float:
    return float(l1_norms(one.vectors[mine] - other.vectors[theirs]).mean())


def _common_rows(one: RowSketches, other: RowSketches) -> tuple[Index, Index]:
    if torch.equal(one.rows, other.rows):
        return slice(None), slice(None)
    _, mine, theirs = np.intersect1d(one.rows.numpy(), other.rows.numpy(), assume_unique=True, return_indices=True)
    return torch.from_numpy(mine), torch.from_numpy(theirs)


def _random_pairs(one: RowSketches, other: RowSketches) -> tuple[Index, Index]:
    count = min(len(one.rows), len(other.rows))
    mine = torch.arange(count).repeat(_SHIFTS)
    return mine, (mine + torch.arange(1, _SHIFTS + 1).repeat_interleave(count)) % count
