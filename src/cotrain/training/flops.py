"""Floating point operations of training, counted on one batch."""

from __future__ import annotations

from copy import deepcopy
from typing import NamedTuple

import torch
from torch import nn

from cotrain.cost import measure
from cotrain.problem.rows import select
from cotrain.seeding import seeded
from cotrain.training.subset_data import SubsetData


class FlopsPerRow(NamedTuple):
    """Operations for one row: in a training step, and in a forward pass alone."""

    step: float
    forward: float

    def epoch(self, train: int, validation: int) -> float:
        """Return the operations of an epoch over so many rows."""
        return train * self.step + validation * self.forward


def flops_per_row(network: nn.Module, data: SubsetData, batch_size: int) -> FlopsPerRow:
    """Count on one batch and a copy of the network, which stays as it is."""
    index = torch.arange(min(batch_size, len(data.train)), device=data.train.targets.device)
    inputs, copy = select(data.train.inputs, index), deepcopy(network).train()
    with seeded(0, "flops"), measure() as forward:
        outputs = copy(inputs)
    with measure() as backward:
        torch.autograd.backward(data.loss(outputs, data.train.targets[index]))
    once = forward.cost.flops / len(index)
    return FlopsPerRow(once + backward.cost.flops / len(index), once)
