"""The spread over seeds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

CONFIDENCE = 0.95


def t_interval(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and half width of the 95 % Student-t interval over the first axis; NaN widths from one seed.

    Examples
    --------
    >>> mean, half_width = t_interval(np.array([[0.0], [2.0]]))
    >>> mean.item(), round(half_width.item(), 2)
    (1.0, 12.71)
    """
    seeds = len(values)
    mean = np.asarray(values.mean(axis=0))
    if seeds < 2:
        return mean, np.full_like(mean, np.nan)
    quantile = stats.t.ppf((1 + CONFIDENCE) / 2, seeds - 1)
    return mean, np.asarray(quantile * values.std(axis=0, ddof=1) / np.sqrt(seeds))
