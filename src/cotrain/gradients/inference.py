"""A network as it must be while gradients of its rows are taken, and as it was afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from cotrain.seeding import seeded


@contextmanager
def inference(network: nn.Module) -> Iterator[None]:
    """Hold ``network`` in eval mode with frozen parameters, and put everything back afterwards.

    Fused attention is switched off since it bypasses the layers it is made of. The global random state, training
    flags, ``requires_grad`` and gradients already on parameters are those of before when the block ends.
    """
    training = [(module, module.training) for module in network.modules()]
    trainable = [(parameter, parameter.requires_grad) for parameter in network.parameters()]
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        network.eval().requires_grad_(False)
        with seeded(0, "gradients"):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
        for module, flag in training:
            module.training = flag
        for parameter, flag in trainable:
            parameter.requires_grad_(flag)
