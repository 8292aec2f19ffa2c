"""The likeliest assignment of tasks to branches that leaves no branch too small."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

FILLED = 1e6
"""Worth of filling a place that must be filled: more than all log-probabilities together."""


def likeliest(log_probabilities: NDArray[np.float64], least: int) -> NDArray[np.int64]:
    """Return each task's branch, at least ``least`` tasks in every branch where there are enough tasks.

    Parameters
    ----------
    log_probabilities
        ``(tasks, branches)``.
    least
        Tasks per branch.

    Examples
    --------
    >>> likeliest(np.log([[0.9, 0.1], [0.6, 0.4]]), least=0).tolist()
    [0, 0]
    >>> likeliest(np.log([[0.9, 0.1], [0.6, 0.4]]), least=1).tolist()
    [0, 1]
    """
    tasks, branches = log_probabilities.shape
    places = np.repeat(np.arange(branches), least)
    free = np.repeat(log_probabilities.max(axis=1)[:, None], tasks, axis=1)
    rows, columns = linear_sum_assignment(np.hstack([log_probabilities[:, places] + FILLED, free]), maximize=True)
    best: NDArray[np.int64] = log_probabilities.argmax(axis=1)
    for task, column in zip(rows, columns, strict=True):
        if column < len(places):
            best[task] = places[column]
    return best
