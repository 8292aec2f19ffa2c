"""Automatic mixed precision for the forward pass of a training."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cotrain.problem.losses import Outputs
from cotrain.problem.rows import Inputs


class Autocast(nn.Module):
    """Runs a network in torch's mixed precision with bfloat16; weights and outputs stay as they are.

    Parameters
    ----------
    network
        Runs inside.

    Examples
    --------
    >>> network = nn.Linear(2, 1)
    >>> Autocast(network)(torch.ones(1, 2)).dtype
    torch.float32
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Inputs) -> Outputs:
        """Return the network's outputs in single precision."""
        device = next(self.network.parameters()).device.type
        with torch.autocast(device, dtype=torch.bfloat16):
            outputs: Outputs = self.network(inputs)
        if isinstance(outputs, Tensor):
            return outputs.float()
        return {name: part.float() for name, part in outputs.items()}
