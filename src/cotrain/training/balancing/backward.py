"""How the losses of a batch become gradients."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from cotrain.problem.losses import Outputs
from cotrain.problem.rows import Rows
from cotrain.training.subset_data import SubsetData


class Backward(nn.Module):
    """Puts gradients into a network's parameters: those of the mean loss over tasks.

    Subclasses weigh tasks or resolve conflicts. What they learn are parameters and buffers of their own, which train
    and are kept with the network's.
    """

    resumable = True
    """Whether its parameters and buffers are all it remembers. A training that is not starts again when killed."""

    def forward(self, network: nn.Module, data: SubsetData, batch: Rows) -> Tensor:
        """Set the gradients for one batch and return the loss."""
        loss = data.loss(network(batch.inputs), batch.targets)
        torch.autograd.backward(loss)
        return loss.detach()

    def attach(self, optimizer: Optimizer) -> None:
        """Hear which optimizer takes the steps."""

    @property
    def passes(self) -> float:
        """How many times the work of its first step a step has been so far, on average."""
        return 1.0

    def end_epoch(self) -> None:
        """Hear that an epoch is over."""


def task_losses(data: SubsetData, outputs: Outputs, targets: Tensor) -> Tensor:
    """Return unbiased estimates ``(tasks,)`` of the tasks' mean losses, zero for a task that the batch lacks.

    Without the tasks' own weights; times these, their mean is the loss of :meth:`SubsetData.loss`.
    """
    own = task_weights(data)
    return (data.losses(outputs, targets) * (data.label_weights / own)).sum(dim=0) * (len(own) / len(targets))


def task_weights(data: SubsetData) -> Tensor:
    """Return the tasks' own weights ``(tasks,)``."""
    return torch.tensor([task.weight for task in data.tasks], device=data.label_weights.device)
