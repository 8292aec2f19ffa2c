"""What choosing networks by a prediction gives up against choosing them by the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cotrain.affinity.affinity import Affinity
from cotrain.affinity.subset_losses import SubsetLosses
from cotrain.errors import InputError
from cotrain.grouping.network_selection import NetworkSelection

Floats = NDArray[np.float64]


def true_gains(predicted: Floats, truth: SubsetLosses, budgets: Sequence[int]) -> Floats:
    """Return the true gain ``(budgets,)`` of choosing at most so many networks by predicted gains.

    The choice is exact, among the measured subsets; its gain is the mean over tasks of the true gain in the network
    that the prediction makes serve them. NaN for budgets that the measured subsets cannot cover.

    Parameters
    ----------
    predicted
        ``(subsets, tasks)``: predicted gains of the subsets of ``truth``.
    truth
        Measured losses.
    budgets
        Numbers of networks.
    """
    loss = np.where(truth.mask & np.isfinite(truth.loss), (1.0 - predicted) * truth.alone, np.nan)
    losses = replace(truth, loss=loss)
    unknown = np.zeros((len(truth.tasks), len(truth.tasks)))
    affinity = replace(Affinity.from_matrix(truth.tasks, unknown), subset_losses=losses)
    return np.array([_true_gain(affinity, truth, budget) for budget in budgets])


def _true_gain(affinity: Affinity, truth: SubsetLosses, budget: int) -> float:
    selection = NetworkSelection(networks=budget, source="subset losses", measure="gain")
    try:
        grouping = selection.group(affinity)
    except InputError:
        return float("nan")
    gain, rows = truth.gain(), {subset: row for row, subset in enumerate(truth.subsets)}
    served = [gain[rows[grouping.group_of(task)], column] for column, task in enumerate(truth.tasks)]
    return float(np.mean(served))
