"""Local search on the total density of overlapping groups: single tasks join and leave."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cotrain.grouping.matrices import Matrix

_LEAST_GAIN = 1e-11  # of the largest affinity


def toggled(matrix: Matrix, members: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Let tasks join or leave one group at a time, the move of largest gain first, until none gains.

    Every task stays in some group, no group empties and groups stay different. ``O(groups * tasks^2)`` a move.

    Parameters
    ----------
    matrix
        Symmetric affinities.
    members
        ``(groups, tasks)`` memberships to start from.
    """
    members, least = members.copy(), _LEAST_GAIN * float(np.abs(matrix).max())
    for _ in range(50 * members.size):
        gain = _gains(matrix, members)
        for move in np.argsort(-gain, axis=None, kind="stable"):
            group, task = np.unravel_index(move, gain.shape)
            if gain[group, task] <= least:
                return members
            members[group, task] ^= True
            if not (members == members[group]).all(axis=1).sum() > 1:
                break
            members[group, task] ^= True
    return members


def _gains(matrix: Matrix, members: NDArray[np.bool_]) -> Matrix:
    """Return the gain of each toggle ``(groups, tasks)``; forbidden ones are minus infinity."""
    inside, sizes = members.astype(np.float64), members.sum(axis=1, keepdims=True)
    received = inside @ matrix
    total = (received * inside).sum(axis=1, keepdims=True)
    joined = (total + 2 * received + matrix.diagonal()) / (sizes + 1)
    left = (total - 2 * received + matrix.diagonal()) / np.maximum(sizes - 1, 1)
    gain = np.where(members, left, joined) - total / sizes
    return np.where(members & ((members.sum(axis=0) == 1) | (sizes == 1)), -np.inf, gain)
