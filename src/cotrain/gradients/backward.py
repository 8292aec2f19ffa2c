"""Where a network cannot be differentiated."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from cotrain.problem.rows import Inputs


def first_without_backward(network: nn.Module, names: Iterable[str], inputs: Inputs) -> str | None:
    """Return the first layer from whose output no backward pass reaches the parameters ``names``.

    None where there is no such layer; the network itself is ``"output"``.
    """
    leaves = {name: network.get_parameter(name).detach().clone().requires_grad_() for name in names}
    with torch.enable_grad():
        for name, output in _outputs(network, leaves, inputs):
            try:
                torch.autograd.grad(output.sum(), list(leaves.values()), retain_graph=True, allow_unused=True)
            except (RuntimeError, NotImplementedError):
                return name
    return None


def _outputs(network: nn.Module, leaves: dict[str, Tensor], inputs: Inputs) -> list[tuple[str, Tensor]]:
    """Return what layers put out that depends on the leaves, in the order in which they finish."""
    seen: list[tuple[str, Tensor]] = []

    def watch(name: str, module: nn.Module) -> torch.utils.hooks.RemovableHandle:
        def note(_module: nn.Module, _args: Any, output: Any) -> None:
            if isinstance(output, Tensor) and output.requires_grad:
                seen.append((name or "output", output))

        return module.register_forward_hook(note)

    hooks = [watch(name, module) for name, module in network.named_modules()]
    try:
        functional_call(network, leaves, (inputs,))
    finally:
        for hook in hooks:
            hook.remove()
    return seen
