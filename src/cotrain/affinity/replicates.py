"""From the matrices of several trainings to their mean and its standard error."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cotrain.affinity.aggregation import Aggregate


def mean_over_seeds(found: Sequence[tuple[NDArray[np.float64], NDArray[np.int64]]]) -> Aggregate:
    """Return the mean of matrices that differ by their seed alone, the standard error of that mean, and all counts.

    Entries that are NaN are not counted; one value alone has no standard error. The diagonal is zero: a task is no
    partner of itself.

    Parameters
    ----------
    found
        A matrix of each training and the number of observations behind each entry.

    Examples
    --------
    >>> first = np.array([[9.0, 1.0], [2.0, 9.0]]), np.ones((2, 2), int)
    >>> second = np.array([[9.0, 3.0], [np.nan, 9.0]]), np.array([[1, 1], [0, 1]])
    >>> mean = mean_over_seeds([first, second])
    >>> mean.matrix.tolist(), mean.standard_error.round(3).tolist(), mean.counts.tolist()
    ([[0.0, 2.0], [2.0, 0.0]], [[0.0, 1.0], [nan, 0.0]], [[2, 2], [1, 2]])
    """
    stacked = np.stack([matrix for matrix, _ in found])
    known = np.isfinite(stacked)
    seeds = known.sum(axis=0).astype(np.float64)
    mean = np.where(known, stacked, 0.0).sum(axis=0) / np.where(seeds > 0, seeds, np.nan)
    squares = np.where(known, stacked - mean, 0.0) ** 2
    error = np.sqrt(squares.sum(axis=0) / np.where(seeds > 1, (seeds - 1) * seeds, np.nan))
    np.fill_diagonal(mean, 0.0)
    np.fill_diagonal(error, 0.0)
    return Aggregate(mean, error, np.sum([count for _, count in found], axis=0).astype(np.int64))
