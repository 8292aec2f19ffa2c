"""Selective task group updates: tasks that help one another take steps together, groups one after another."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import AffinityPropagation
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor, nn
from torch.optim import Optimizer

from cotrain.problem.rows import Rows
from cotrain.training.balancing.backward import Backward, task_losses, task_weights
from cotrain.training.subset_data import SubsetData

DECAY = 0.01
"""Of the running mean of affinities."""


class SelectiveBackward(Backward):
    r"""One step per group and batch, groups in random order; every epoch they are chosen anew.

    A step of group ``G`` that changes task t's loss from ``L`` to ``L'`` counts :math:`(1 - L' / L) / |G|` towards the
    affinity of every task of ``G`` to t; of these a running mean is kept. In the first epoch every task is a group;
    after each epoch affinity propagation clusters the symmetrised means. Once all tasks are one group they stay it.

    Parameters
    ----------
    tasks
        How many.

    References
    ----------
    "Selective Task Group Updates for Multi-Task Optimization" (ICLR 2025), arXiv 2502.11986. There tasks are regrouped
    at every step.
    """

    affinity: Tensor
    groups: Tensor
    batches: Tensor
    rounds: Tensor

    def __init__(self, tasks: int) -> None:
        super().__init__()
        self.register_buffer("affinity", torch.zeros(tasks, tasks, dtype=torch.float64))
        self.register_buffer("groups", torch.arange(tasks))
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))
        self.register_buffer("rounds", torch.zeros((), dtype=torch.int64))
        self._optimizer: Optimizer | None = None

    def attach(self, optimizer: Optimizer) -> None:
        """Hear which optimizer takes the steps of all groups but the last."""
        self._optimizer = optimizer

    @property
    def passes(self) -> float:
        """Groups per batch so far, on average, relative to the first batch."""
        most = int(self.batches) * len(self.groups)
        return float(self.rounds) / most if most else 1.0

    def forward(self, network: nn.Module, data: SubsetData, batch: Rows) -> Tensor:
        """Take a step for every group but the last, and set the gradients for that one; return the first mean loss."""
        own, present = task_weights(data), batch.observed.any(dim=0)
        numbers = torch.unique(self.groups)
        before: Tensor | None = None
        acted = torch.ones_like(self.groups, dtype=torch.bool)
        first = own.new_zeros(())
        for position, number in enumerate(numbers[torch.randperm(len(numbers))].tolist()):
            losses = task_losses(data, network(batch.inputs), batch.targets)
            if before is None:
                first = (own * losses).mean().detach()
            else:
                self._note(before, losses.detach(), present, acted)
            before, acted = losses.detach(), self.groups == number
            self._descend((own * losses)[acted].sum() / len(losses), step=position < len(numbers) - 1)
        self.batches += 1
        self.rounds += len(numbers)
        return first

    def end_epoch(self) -> None:
        """Choose the groups of the next epoch."""
        self.groups = torch.from_numpy(grouped(self.affinity.cpu().numpy())).to(self.groups.device)

    def _descend(self, loss: Tensor, *, step: bool) -> None:
        if self._optimizer is not None:
            self._optimizer.zero_grad()
        torch.autograd.backward(loss)
        if step and self._optimizer is not None:
            self._optimizer.step()

    def _note(self, before: Tensor, after: Tensor, present: Tensor, acted: Tensor) -> None:
        """Add what the step of those that acted did to all tasks' losses to the running means."""
        counted = present & (before > 0)
        gain = torch.where(counted, 1 - after / before.clamp(min=torch.finfo(before.dtype).tiny), 0.0)
        sources = acted.nonzero().flatten()
        update = gain.double()[:, None] / len(sources)
        rows = counted.nonzero().flatten()
        where = rows[:, None], sources[None, :]
        self.affinity[where] = (1 - DECAY) * self.affinity[where] + DECAY * update[rows]


def grouped(affinity: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return a group for each task: affinity propagation on rows relative to their diagonal, symmetrised.

    Examples
    --------
    >>> grouped(np.array([[1.0, 0.9, -1.0], [0.9, 1.0, -1.0], [-1.0, -1.0, 1.0]])).tolist()
    [0, 0, 1]
    """
    own = np.abs(np.diag(affinity))
    scaled = affinity / np.where(own > 0, own, 1.0)[:, None]
    if len(affinity) < 3 or np.ptp(scaled) == 0:
        return np.zeros(len(affinity), dtype=np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        labels = AffinityPropagation(affinity="precomputed", random_state=0).fit((scaled + scaled.T) / 2).labels_
    return labels.astype(np.int64) if labels.min() >= 0 else np.zeros(len(affinity), dtype=np.int64)
