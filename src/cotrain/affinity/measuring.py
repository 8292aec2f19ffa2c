"""Losses of subsets that are really trained, on validation rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cotrain.cost import Cost
from cotrain.training.trainer import Trainer


def measure_losses(
    trainer: Trainer, mask: NDArray[np.bool_], seeds: NDArray[np.int64]
) -> tuple[NDArray[np.float64], Cost]:
    """Train every subset once and return the validation losses ``(subsets, tasks)`` and what they cost.

    Parameters
    ----------
    trainer
        Of the problem that is measured; small networks train many at once.
    mask
        Boolean ``(subsets, tasks)`` in the problem's order of tasks.
    seeds
        ``(subsets,)``: with which seed each subset is trained.
    """
    problem = trainer.problem
    names = np.array(problem.names)
    losses, cost = np.full(mask.shape, np.nan), Cost()
    jobs = [(problem.subset(names[row].tolist()), int(seed)) for row, seed in zip(mask, seeds, strict=True)]
    for number, fit in enumerate(trainer.fit_many(jobs)):
        losses[number, [problem.names.index(name) for name in fit.subset]] = fit.validation_loss
        cost += fit.cost
    return losses, cost
