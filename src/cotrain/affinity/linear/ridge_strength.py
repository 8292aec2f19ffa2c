"""The ridge strength of the subset fits, chosen on validation rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cotrain.affinity.linear.linear_fits import TaskWeights, fit_subsets
from cotrain.affinity.linear.linear_rows import linear_losses
from cotrain.affinity.linear.task_statistics import task_statistics
from cotrain.errors import InputError
from cotrain.gradients.task_gradients import TaskGradients

STRENGTHS: tuple[float, ...] = tuple(10.0 ** (exponent / 2) for exponent in range(-8, 7))
"""Default grid: from 1e-4 to 1e3 in half decades."""


@dataclass(frozen=True)
class StrengthChoice:
    """A ridge strength and the validation losses it was chosen by.

    Parameters
    ----------
    strength
        The strength with the lowest validation loss.
    grid
        The strengths tried, rising.
    validation_loss
        Mean over subsets of the mean validation loss of their tasks, at each strength of the grid.
    """

    strength: float
    grid: tuple[float, ...]
    validation_loss: tuple[float, ...]

    @property
    def at_edge(self) -> bool:
        """Whether the choice is the smallest or largest of the grid, so that a wider grid may do better."""
        return self.strength in (self.grid[0], self.grid[-1])


def choose_strength(
    train: Mapping[str, TaskGradients],
    validation: Mapping[str, TaskGradients],
    mask: Tensor,
    *,
    grid: Sequence[float] = STRENGTHS,
    corrections: int = 2,
    weights: TaskWeights = None,
) -> StrengthChoice:
    """Return the ridge strength whose fits have the lowest validation loss over a probe set of subsets.

    Cost: one :func:`~cotrain.affinity.linear.linear_fits.fit_subsets` per strength; the task statistics are shared.

    Parameters
    ----------
    train, validation
        Rows by task name, with the same tasks.
    mask
        Boolean ``(m, tasks)``: the probe subsets. The subset of all tasks is always added.
    grid
        Strengths to try.
    corrections, weights
        Of the fits, as they will be used.

    Examples
    --------
    >>> from torch import arange, ones, zeros
    >>> rows = TaskGradients(ones(4, 1), ones(4), arange(4), "square")
    >>> choice = choose_strength({"a": rows}, {"a": rows}, zeros(0, 1, dtype=torch.bool), grid=(0.01, 1.0))
    >>> choice.strength, choice.at_edge
    (0.01, True)
    """
    if tuple(train) != tuple(validation):
        raise InputError(f"`validation` must have the tasks of `train`, {list(train)}. Found {list(validation)}.")
    if not grid:
        raise InputError("`grid` must hold at least one strength. Found none.")
    probe = torch.cat([mask, mask.new_ones(1, mask.shape[1])])
    statistics = task_statistics(train)
    rising = tuple(sorted(grid))
    losses = []
    for strength in rising:
        fits = fit_subsets(
            train, probe, strength=strength, corrections=corrections, weights=weights, statistics=statistics
        )
        losses.append(_mean_loss(linear_losses(validation, fits.coefficients), probe))
    return StrengthChoice(rising[losses.index(min(losses))], rising, tuple(losses))


def _mean_loss(loss: Tensor, probe: Tensor) -> float:
    """Return the mean over subsets of the mean loss of their tasks that have rows."""
    own = loss.masked_fill(~probe.to(loss.device), torch.nan)
    return float(own.nanmean(dim=1).nanmean())
