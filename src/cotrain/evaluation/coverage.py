"""How often intervals hold what was measured."""

from __future__ import annotations

import numpy as np
from scipy import stats

from cotrain.affinity.affinity import Affinity
from cotrain.affinity.subset_losses import SubsetLosses
from cotrain.evaluation.intervals import CONFIDENCE


def interval_coverage(affinity: Affinity, truth: SubsetLosses) -> float:
    """Return the share of measured gains, of subsets of two tasks or more, within 95 % intervals of the affinity.

    An interval joins the affinity's standard error with those of the measured loss and of the task's measured loss
    alone. NaN where either knows no errors, and for scores that are no gains.

    Parameters
    ----------
    affinity
        What is judged.
    truth
        Measured losses of the same tasks in the same order, with standard errors.
    """
    if affinity.unit != "gain":
        return float("nan")
    gain, error = affinity.predict(truth.mask)
    own = truth.gain_error()
    alone = np.fmax.reduce(np.where((truth.sizes == 1)[:, None], own, np.nan), axis=0)
    bound = stats.norm.ppf((1 + CONFIDENCE) / 2) * np.sqrt(error**2 + own**2 + alone**2)
    known = truth.mask & (truth.sizes > 1)[:, None] & np.isfinite(bound) & np.isfinite(gain)
    return float((np.abs(gain - truth.gain()) <= bound)[known].mean()) if known.any() else float("nan")
