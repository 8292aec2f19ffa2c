"""Subsets worth considering as networks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cotrain.affinity.design import all_pairs, distinct, singles_and_all

_ALL_SUBSETS = 10
_PAIRS_ARE_FEW = 60


def candidate_subsets(matrix: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return all subsets of up to ten tasks; of more, those that an affinity matrix makes likely.

    They are every task with its best 1, 2, 3, 4, 6, 8, 11, ... partners, once by what they give it and once by what
    both give each other; single tasks, all tasks, and the pairs of up to 60 tasks.

    Parameters
    ----------
    matrix
        ``(tasks, tasks)``, row = affected task.

    Examples
    --------
    >>> candidate_subsets(np.zeros((3, 3))).sum(axis=1).tolist()
    [1, 1, 2, 1, 2, 2, 3]
    """
    tasks = len(matrix)
    if tasks <= _ALL_SUBSETS:
        return (np.arange(1, 2**tasks)[:, None] >> np.arange(tasks)) & 1 > 0
    parts = [singles_and_all(tasks), _best_partners(matrix), _best_partners(matrix + matrix.T)]
    if tasks <= _PAIRS_ARE_FEW:
        parts.append(all_pairs(tasks))
    return distinct(np.concatenate(parts))


def _best_partners(worth: NDArray[np.float64]) -> NDArray[np.bool_]:
    tasks = len(worth)
    rank = np.where(np.eye(tasks, dtype=bool), np.inf, np.nan_to_num(worth, nan=-np.inf))
    place = (-rank).argsort(axis=1).argsort(axis=1)
    sizes = np.unique(np.geomspace(2, tasks, 16).round())
    return np.concatenate([place < size for size in sizes])
