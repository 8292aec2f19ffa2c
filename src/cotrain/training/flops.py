"""Floating point operations of training, counted on one batch."""

from __future__ import annotations

import torch
from torch import nn

from cotrain.cost import measure
from cotrain.problem.rows import select
from cotrain.training.subset_data import SubsetData


def flops_per_row(network: nn.Module, data: SubsetData, batch_size: int) -> tuple[float, float]:
    """Return the operations of a training step and of a forward pass for one row.

    The parameters' gradients are cleared, nothing else changes.
    """
    index = torch.arange(min(batch_size, len(data.train)), device=data.train.targets.device)
    inputs = select(data.train.inputs, index)
    network.eval()
    with measure() as forward:
        outputs = network(inputs)
    with measure() as backward:
        loss = data.loss(outputs, data.train.targets[index])
        torch.autograd.backward(loss)
    network.zero_grad()
    once = forward.cost.flops / len(index)
    return once + backward.cost.flops / len(index), once
