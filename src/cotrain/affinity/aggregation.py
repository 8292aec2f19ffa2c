"""From the losses of subsets to an affinity matrix: co-occurrence means of gains, with counts and standard errors."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cotrain.affinity.subset_losses import SubsetLosses


class Aggregate(NamedTuple):
    """An affinity matrix, its standard errors and the number of subsets behind each entry."""

    matrix: NDArray[np.float64]
    standard_error: NDArray[np.float64]
    counts: NDArray[np.int64]


def co_occurrence_mean(losses: SubsetLosses, *, pairs_only: bool = False) -> Aggregate:
    r"""Return the mean gain of each task over the subsets that hold it together with another.

    .. math:: A_{ij} = \frac{1}{n_{ij}} \sum_{S \ni i, j} \left(1 - L_i(S) / L_i(\{i\})\right)

    and zero on the diagonal: a task alone gains nothing. Scaling by the loss alone makes rows comparable; otherwise the
    hardest task would dominate every grouping. Pairs that never met are NaN, not zero.

    The standard error joins the spread over subsets with the mean error of the gains themselves:
    ``sqrt(variance over subsets / n + mean squared error of a gain)``; the second part does not shrink with ``n``, for
    all subsets share the same base networks.

    Parameters
    ----------
    losses
        Must hold each task alone; subsets of one task only set the zero of its gains.
    pairs_only
        Use subsets of two only (pairwise affinity).

    Examples
    --------
    >>> losses = SubsetLosses.from_dict({("a",): {"a": 0.5}, ("b",): {"b": 0.4}, ("a", "b"): {"a": 0.4, "b": 0.5}})
    >>> co_occurrence_mean(losses).matrix.round(2).tolist()
    [[0.0, 0.2], [-0.25, 0.0]]
    """
    together = losses.where((losses.sizes == 2) if pairs_only else (losses.sizes > 1))
    gain = 1.0 - together.loss / losses.alone
    error = together.standard_error / np.abs(losses.alone)
    known = together.mask & np.isfinite(gain)
    partners = together.mask.astype(np.float64)
    counts = known.T.astype(np.float64) @ partners
    mean = _mean(np.where(known, gain, 0.0).T @ partners, counts)
    square = _mean(np.where(known, gain**2, 0.0).T @ partners, counts)
    own = _mean(np.where(known, np.nan_to_num(error) ** 2, 0.0).T @ partners, counts)
    spread = np.maximum(square - mean**2, 0.0) / np.maximum(counts - 1, 1)
    np.fill_diagonal(mean, 0.0)
    standard_error = np.sqrt(spread + own)
    np.fill_diagonal(standard_error, 0.0)
    return Aggregate(mean, standard_error, counts.astype(np.int64))


def _mean(total: NDArray[np.float64], counts: NDArray[np.float64]) -> NDArray[np.float64]:
    result: NDArray[np.float64] = total / np.where(counts > 0, counts, np.nan)
    return result
