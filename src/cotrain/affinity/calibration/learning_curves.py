"""Where short trainings would have ended, told by those that went on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cotrain.affinity.subset_losses import SubsetLosses
from cotrain.affinity.surrogates.gain_model import Floats


def extrapolated(tasks: tuple[str, ...], mask: NDArray[np.bool_], rungs: Floats) -> SubsetLosses:
    r"""Return the losses at the end of training: measured where it went so far, otherwise extrapolated.

    What is still to be gained from rung :math:`r` on is a line in the loss there, fitted on the subsets that went to
    the end, with an intercept for each task and one slope for all:

    .. math:: L_i(S) = L_i^r(S) + a_i^r + b^r (L_i^r(S) - \bar L_i^r)

    Parameters
    ----------
    tasks
        Names, in the order of the columns.
    mask
        ``(subsets, tasks)``.
    rungs
        ``(rungs, subsets, tasks)``: losses after ever longer training, the last after all of it; NaN where a subset
        was given up before.

    Returns
    -------
    SubsetLosses
        Extrapolated subsets are marked ``"estimated"``, with the standard error of the fitted line.

    Examples
    --------
    >>> mask = np.array([[True, False], [False, True], [True, True]])
    >>> rungs = np.array([[[2.0, np.nan], [np.nan, 1.0], [3.0, 2.0]], [[1.0, np.nan], [np.nan, 0.5], [np.nan, np.nan]]])
    >>> extrapolated(("a", "b"), mask, rungs).loss.tolist()
    [[1.0, nan], [nan, 0.5], [2.0, 1.5]]
    """
    loss, error = rungs[-1].copy(), np.where(np.isnan(rungs[-1]), np.nan, 0.0)
    for short in rungs[-2::-1]:
        end, scatter = _continued(short, rungs[-1])
        new = np.isnan(loss) & ~np.isnan(end)
        loss[new], error[new] = end[new], scatter
    finished = (np.isfinite(rungs[-1]) == mask).all(axis=1)
    error[finished] = np.nan
    return SubsetLosses(tasks, mask, loss, error, np.where(finished, "measured", "estimated"))


def _continued(short: Floats, end: Floats) -> tuple[Floats, float]:
    """Return all short losses continued to the end, and the error of doing so."""
    both = np.isfinite(short) & np.isfinite(end)
    count = np.maximum(both.sum(axis=0), 1)
    middle = np.where(both, short, 0.0).sum(axis=0) / count
    decline = np.where(both, end - short, 0.0).sum(axis=0) / count
    away, rest = np.where(both, short - middle, 0.0), np.where(both, end - short - decline, 0.0)
    power = float((away**2).sum())
    slope = float((away * rest).sum()) / power if power else 0.0
    freedom = max(both.sum() - short.shape[1] - 1, 1)
    scatter = float(np.sqrt(((rest - slope * away) ** 2).sum() / freedom))
    return short + decline + slope * (short - middle), scatter
