"""Floating point operations of training, counted on one batch."""

from __future__ import annotations

from copy import deepcopy
from typing import NamedTuple

import torch
from torch import nn

from cotrain.cost import measure
from cotrain.seeding import seeded
from cotrain.training.balancing.backward import Backward
from cotrain.training.subset_data import SubsetData, batches


class FlopsPerRow(NamedTuple):
    """Operations for one row: in a training step, and in a forward pass alone."""

    step: float
    forward: float

    def epoch(self, train: int, validation: int) -> float:
        """Return the operations of an epoch over so many rows."""
        return train * self.step + validation * self.forward


def flops_per_row(
    network: nn.Module, data: SubsetData, batch_size: int, backward: Backward | None = None
) -> FlopsPerRow:
    """Count on one batch and copies of the network and of what turns its losses into gradients."""
    index = batches(len(data.train), batch_size, seed=0, epoch=0)[0].to(data.label_weights.device)
    batch, copy, step = data.train.take(index), deepcopy(network).train(), deepcopy(backward or Backward())
    with seeded(0, "flops"), torch.no_grad(), measure() as forward:
        copy(batch.inputs)
    with seeded(0, "flops"), measure() as whole:
        step(copy, data, batch)
    return FlopsPerRow(whole.cost.flops / len(index), forward.cost.flops / len(index))
