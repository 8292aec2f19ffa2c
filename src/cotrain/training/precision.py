"""Automatic mixed precision: forward passes in sixteen bits, and optimizer steps that bear it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.optim import Optimizer

from cotrain.problem.losses import Outputs
from cotrain.problem.options import TrainingOptions
from cotrain.problem.rows import Inputs

SIXTEEN_BITS = {"bfloat16": torch.bfloat16, "float16": torch.float16}


class Autocast(nn.Module):
    """Runs a network in torch's mixed precision; weights and outputs stay as they are.

    Parameters
    ----------
    network
        Runs inside.
    dtype
        Of its products.
    scaler
        Lengthens the gradients that reach the network, whose sixteen bits have no room for short ones.

    Examples
    --------
    >>> network = nn.Linear(2, 1)
    >>> Autocast(network)(torch.ones(1, 2)).dtype
    torch.float32
    """

    def __init__(
        self, network: nn.Module, dtype: torch.dtype = torch.bfloat16, scaler: GradScaler | None = None
    ) -> None:
        super().__init__()
        self.network, self._dtype, self._scaler = network, dtype, scaler

    def forward(self, inputs: Inputs) -> Outputs:
        """Return the network's outputs in single precision."""
        device = next(self.network.parameters()).device.type
        with torch.autocast(device, dtype=self._dtype):
            outputs: Outputs = self.network(inputs)
        if isinstance(outputs, Tensor):
            return self._single(outputs)
        return {name: self._single(part) for name, part in outputs.items()}

    def _single(self, outputs: Tensor) -> Tensor:
        outputs = outputs.float()
        if self._scaler is None or not outputs.requires_grad:
            return outputs
        value = outputs.detach()
        return value + self._scaler.scale(outputs - value)


def scaler_of(options: TrainingOptions, device: torch.device) -> GradScaler | None:
    """Return torch's gradient scaler where ``options`` ask for the sixteen bits that need one."""
    return GradScaler(device.type) if options.precision == "float16" else None


def mixed(network: nn.Module, options: TrainingOptions, scaler: GradScaler | None = None) -> nn.Module:
    """Return the network as ``options`` want its forward pass computed."""
    dtype = SIXTEEN_BITS.get(options.precision)
    return network if dtype is None else Autocast(network, dtype, scaler)


def descend(optimizer: Optimizer, options: TrainingOptions, scaler: GradScaler | None = None) -> None:
    """Take a step with the gradients that are there, shortened if ``options`` say so.

    A scaler leaves out a step whose gradients overflowed, and tries smaller ones from then on.
    """
    if scaler is not None:
        scaler.unscale_(optimizer)
    if options.clip_norm:
        nn.utils.clip_grad_norm_(_own(optimizer), options.clip_norm)
    if scaler is None:
        optimizer.step()
    else:
        scaler.step(optimizer)
        scaler.update()


def _own(optimizer: Optimizer) -> list[nn.Parameter]:
    """Return the network's parameters; what a loss weighting learns is in a group of its own."""
    own: list[nn.Parameter] = optimizer.param_groups[0]["params"]
    return own
