"""Losses of subsets that are really trained, on validation rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cotrain.cost import Cost
from cotrain.training.trainer import Trainer


def measure_losses(
    trainer: Trainer, tasks: Sequence[str], mask: NDArray[np.bool_], seeds: NDArray[np.int64]
) -> tuple[NDArray[np.float64], Cost]:
    """Train every subset once and return the validation losses ``(subsets, tasks)`` and what they cost.

    Parameters
    ----------
    trainer
        Trains them; small networks many at once.
    tasks
        Names, in the order of the columns.
    mask
        Boolean ``(subsets, tasks)``.
    seeds
        ``(subsets,)``: with which seed each subset is trained.
    """
    names = np.array(tasks)
    jobs = [(trainer.problem.subset(names[row].tolist()), int(seed)) for row, seed in zip(mask, seeds, strict=True)]
    losses, cost = np.full(mask.shape, np.nan), Cost()
    for number, fit in enumerate(trainer.fit_many(jobs)):
        losses[number, [tasks.index(name) for name in fit.subset]] = fit.validation_loss
        cost += fit.cost
    return losses, cost
