"""Local search on the total density of overlapping groups: single tasks join and leave."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cotrain.grouping.matrices import Matrix

_LEAST_GAIN = 1e-11  # of the largest affinity


def toggled(matrix: Matrix, members: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Let tasks join or leave groups, the move of largest gain in each group, until none gains.

    Every task stays in some group, no group empties and groups stay different. ``O(groups * tasks)`` a round.

    Parameters
    ----------
    matrix
        Symmetric affinities.
    members
        ``(groups, tasks)`` memberships to start from.
    """
    members, least = members.copy(), _LEAST_GAIN * float(np.abs(matrix).max())
    received = members.astype(np.float64) @ matrix
    for _ in range(50 * members.size):
        gain = _gains(matrix, members, received)
        top = gain.max(axis=1)
        before = members.copy()
        for group in np.argsort(-top, kind="stable")[: int((top > least).sum())]:
            _toggle_best(members, group, gain[group], least)
        groups, tasks = np.nonzero(members != before)
        if not len(groups):
            break
        received[groups] += np.where(members[groups, tasks], 1.0, -1.0)[:, None] * matrix[tasks]
    return members


def _toggle_best(members: NDArray[np.bool_], group: int, gain: Matrix, least: float) -> None:
    """Make the best move of a group that leaves no task without a group and no two groups equal, if one gains."""
    while gain.max() > least:
        task = int(gain.argmax())
        members[group, task] ^= True
        if members[:, task].any() and not _has_twin(members, group):
            return
        members[group, task] ^= True
        gain[task] = -np.inf


def _has_twin(members: NDArray[np.bool_], group: int) -> bool:
    """Whether another group has the same tasks; only those with its first task can."""
    rivals = members[members[:, members[group].argmax()]]
    return bool((rivals == members[group]).all(axis=1).sum() > 1)


def _gains(matrix: Matrix, members: NDArray[np.bool_], received: Matrix) -> Matrix:
    """Return the gain of each toggle ``(groups, tasks)``; forbidden ones are minus infinity."""
    sizes = members.sum(axis=1, keepdims=True)
    total = np.where(members, received, 0.0).sum(axis=1, keepdims=True)
    sign = np.where(members, -1.0, 1.0)
    after = (total + 2 * sign * received + matrix.diagonal()) / np.maximum(sizes + sign, 1)
    return np.where(members & ((members.sum(axis=0) == 1) | (sizes == 1)), -np.inf, after - total / sizes)
