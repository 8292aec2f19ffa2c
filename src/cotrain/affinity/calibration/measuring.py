"""Losses of subsets that are really trained, on halves of the validation rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cotrain.affinity.shortened import impatient
from cotrain.affinity.subset_losses import SubsetLosses
from cotrain.cost import Cost
from cotrain.problem.losses import row_losses
from cotrain.training.evaluation import predict
from cotrain.training.fit import Fit
from cotrain.training.trainer import Trainer


class Measurements:
    """Losses of subsets that were trained; every training is a row.

    Parameters
    ----------
    trainer
        Trains; small networks many at once.
    tasks
        Names, in the order of a mask's columns.
    """

    def __init__(self, trainer: Trainer, tasks: Sequence[str]) -> None:
        self.tasks, self.cost = tuple(tasks), Cost()
        self.mask, self.seeds = np.zeros((0, len(tasks)), dtype=bool), np.zeros(0, dtype=np.int64)
        self.curves: list[NDArray[np.float64]] = []
        self.flops: list[float] = []
        self._trainer = trainer
        self._losses = np.zeros((3, 0, len(tasks)))

    def train(self, mask: NDArray[np.bool_], seeds: NDArray[np.int64], *, patience: int | None = None) -> None:
        """Train each subset ``mask (subsets, tasks)`` with its seed, as patiently as the problem says or as told."""
        trainer = self._trainer if patience is None else impatient(self._trainer, patience)
        names = np.array(self.tasks)
        jobs = [
            (self._trainer.problem.subset(names[row].tolist()), int(seed))
            for row, seed in zip(mask, seeds, strict=True)
        ]
        losses = np.full((3, *mask.shape), np.nan)
        for number, fit in enumerate(trainer.fit_many(jobs)):
            columns = [self.tasks.index(name) for name in fit.subset]
            losses[0, number, columns] = fit.validation_loss
            losses[1:, number, columns] = self._on_halves(fit)
            self.curves.append(fit.curve)
            self.flops.append(fit.cost.flops)
            self.cost += fit.cost
        self.mask, self.seeds = np.concatenate([self.mask, mask]), np.concatenate([self.seeds, seeds])
        self._losses = np.concatenate([self._losses, losses], axis=1)

    @property
    def table(self) -> SubsetLosses:
        """Mean losses over all validation rows."""
        return SubsetLosses.from_seeds(self.tasks, self.mask, self._losses[:1])

    @property
    def halves(self) -> tuple[SubsetLosses, SubsetLosses]:
        """Mean losses over either half of each task's validation rows."""
        first, second = (SubsetLosses.from_seeds(self.tasks, self.mask, half[None]) for half in self._losses[1:])
        return first, second

    def _on_halves(self, fit: Fit) -> NDArray[np.float64]:
        """Return the mean losses ``(2, tasks of the fit)``; NaN where a half has no rows."""
        problem, device = self._trainer.problem, self._trainer.device
        tasks, rows = problem.tasks_of(fit.subset), problem.rows_of(fit.subset, "validation").to(device)
        losses = row_losses(tasks, predict(fit.network, tasks, rows), rows.targets).double()
        first = _first_half(rows.targets)
        halves = torch.stack([first, rows.observed & ~first]).double()
        means: NDArray[np.float64] = ((halves * losses).sum(dim=1) / halves.sum(dim=1)).cpu().numpy()
        return means


def _first_half(targets: Tensor) -> Tensor:
    """Return for each task every other of its labelled rows, in the order of their labels: both halves are alike."""
    place = targets.argsort(dim=0, stable=True).argsort(dim=0)  # missing labels come last
    return (place % 2 == 0) & ~targets.isnan()
