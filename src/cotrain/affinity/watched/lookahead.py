"""Looks ahead during a training: what a step on one task's gradient would do to every task's loss."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cotrain.affinity.watched.moves import Move, OptimizerMove, PlainMove
from cotrain.affinity.watched.probe import Probe
from cotrain.affinity.watched.watching import Watcher
from cotrain.cost import Cost, measure
from cotrain.training.callbacks import Step
from cotrain.training.run import Run
from cotrain.training.subset_data import SubsetData

Order: TypeAlias = Literal["exact", "first"]


class Lookahead(Watcher):
    r"""Averages :math:`Z_{ji} = (L_j(\theta_0) - L_j(\theta_i)) / L_j(\theta)` over steps of one training.

    :math:`\theta_i` are the shared parameters after a step on the gradient of task :math:`i` alone, :math:`\theta_0`
    after a step on no gradient at all, which for plain gradient descent is :math:`\theta` itself.

    Parameters
    ----------
    shared
        Names of the parameters that move.
    order
        ``"exact"`` or ``"first"``: losses at the moved parameters, or their slope along the move.
    rate
        Of plain gradient descent; None for the training's own optimizer.
    every
        Steps from one look to the next.
    """

    def __init__(self, shared: Sequence[str], *, order: Order, rate: float | None, every: int) -> None:
        super().__init__()
        self._shared, self._order, self._rate, self._every = shared, order, rate, every
        self._steps = 0
        self._flops: float | None = None

    def before_training(self, run: Run, data: SubsetData) -> None:
        """Start the sums."""
        tasks = len(run.subset)
        self._total = torch.zeros(tasks, tasks, dtype=torch.float64, device=data.label_weights.device)
        self._count = torch.zeros_like(self._total)
        self._kept = self._total.clone(), self._count.clone()

    def before_step(self, step: Step) -> None:
        """Look ahead from every so many steps."""
        if self._steps % self._every == 0:
            self._look(step)
        self._steps += 1

    def after_epoch(self, run: Run) -> None:
        """Keep the sums up to the best epoch: what follows only shows that patience has not run out yet."""
        if run.history.best == len(run.history) - 1:
            self._kept = self._total.clone(), self._count.clone()

    def affinity(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return the mean ``(tasks, tasks)``, NaN where never seen, and the number of looks behind each entry."""
        total, count = (part.cpu().numpy() for part in self._kept)
        return total / np.where(count > 0, count, np.nan), count.astype(np.int64)

    def _look(self, step: Step) -> None:
        start = time.perf_counter()
        found = self._counted(step) if self._flops is None else self._affinities(step)
        known = torch.isfinite(found)
        self._total += torch.where(known, found, 0.0)
        self._count += known
        self.cost += Cost(self._flops or 0.0, time.perf_counter() - start)

    def _counted(self, step: Step) -> Tensor:
        """Look and count operations, which are the same at every look but take long to count."""
        with measure() as meter:
            found = self._affinities(step)
        self._flops = meter.cost.flops
        return found

    def _affinities(self, step: Step) -> Tensor:
        probe = Probe(step, self._shared)
        with torch.enable_grad():
            before = probe.losses(probe.parameters)
        move = self._move(probe, step)
        idle = move([torch.zeros_like(value) for value in probe.parameters.values()])
        look = _exact if self._order == "exact" else _first_order
        found = look(probe, before, move, idle) / before.detach()[:, None]
        return torch.where(probe.labelled, found, torch.nan).double()

    def _move(self, probe: Probe, step: Step) -> Move:
        if self._rate is None:
            return OptimizerMove(step.run.optimizer, list(probe.parameters.values()))
        return PlainMove(self._rate)


def _exact(probe: Probe, before: Tensor, move: Move, idle: Sequence[Tensor]) -> Tensor:
    """Return by how much each loss (row) falls further for a source's gradient (column)."""
    alone = probe.displaced(idle)
    fallen = [alone - probe.displaced(move(probe.gradient(loss))) for loss in before]
    return torch.stack(fallen, dim=1)


def _first_order(probe: Probe, before: Tensor, move: Move, idle: Sequence[Tensor]) -> Tensor:
    """Return the same by slopes: one matrix product instead of a forward pass for every source."""
    gradients = [probe.gradient(loss) for loss in before]
    moves = [_flat([own - still for own, still in zip(move(each), idle, strict=True)]) for each in gradients]
    return -torch.stack([_flat(each) for each in gradients]) @ torch.stack(moves).T


def _flat(parts: Sequence[Tensor]) -> Tensor:
    return torch.cat([part.flatten() for part in parts])
