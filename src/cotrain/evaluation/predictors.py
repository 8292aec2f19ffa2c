"""Predicted gains of subsets by the nulls that every estimate must beat."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cotrain.affinity.subset_losses import SubsetLosses

Floats = NDArray[np.float64]


def base_loss_gain(truth: SubsetLosses, mask: NDArray[np.bool_]) -> Floats:
    """Return the null that every subset leaves a task at its loss in the network of all tasks.

    Where that network was not measured: at its mean loss over the subsets.
    """
    gain, everything = truth.gain(), truth.mask.all(axis=1)
    level = gain[everything] if everything.any() else gain
    return np.where(mask, _column_means(level, np.isfinite(level)), np.nan)


def task_mean_gain(truth: SubsetLosses, mask: NDArray[np.bool_]) -> Floats:
    """Return the null that every subset gives a task its mean gain over all measured subsets with partners."""
    gain = truth.gain()
    known = np.isfinite(gain) & (truth.sizes > 1)[:, None]
    return np.where(mask, _column_means(gain, known), np.nan)


def size_gain(truth: SubsetLosses, mask: NDArray[np.bool_]) -> Floats:
    """Return the null that a gain depends on the number of partners alone.

    A straight line for each task through the mean gains alone (zero) and in pairs: all that the pairs tell of size.
    """
    pairs = truth.gain()[truth.sizes == 2]
    slope = _column_means(pairs, np.isfinite(pairs))
    return np.where(mask, slope * (mask.sum(axis=1, keepdims=True) - 1), np.nan)


def _column_means(values: Floats, known: NDArray[np.bool_]) -> Floats:
    count = known.sum(axis=0)
    mean: Floats = np.where(known, values, 0.0).sum(axis=0) / np.where(count, count, np.nan)
    return mean
