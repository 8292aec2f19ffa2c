"""Adapters are tried on a few rows: one that no output depends on would never learn."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cotrain.errors import InputError
from cotrain.problem.losses import row_losses
from cotrain.problem.problem import Problem
from cotrain.seeding import seeded

_ROWS = 4


def refuse_unreached_adapters(problem: Problem) -> None:
    """Refuse adapted layers none of whose adapter's weights receives a gradient.

    A fresh LoRA pair has one matrix of zeros, and so no gradient for the other: the two are looked at together.

    Raises
    ------
    InputError
        Naming the layers.
    """
    with seeded(0, "reach"):
        network = problem.build(problem.tasks)
        reached = _reached(network, problem)
    idle = sorted(layer for layer, any_gradient in reached.items() if not any_gradient)
    if idle:
        more = f" and {len(idle) - 3} more" if len(idle) > 3 else ""
        raise InputError(
            f"`adapter` must change layers that outputs depend on. No gradient reaches {', '.join(idle[:3])}{more}. "
            "Choose other modules in `target_modules` (a pooler is not used, for example)."
        )


def _reached(network: nn.Module, problem: Problem) -> dict[str, bool]:
    """Return whether a gradient reaches any trainable weight, by adapted layer."""
    rows = problem.splits["train"]
    rows = rows.take(torch.linspace(0, len(rows) - 1, _ROWS).long())
    own = {name: weight for name, weight in network.named_parameters() if weight.requires_grad}
    loss = row_losses(problem.tasks, network.eval()(rows.inputs), rows.targets).sum()
    gradients = torch.autograd.grad(loss, list(own.values()), allow_unused=True)
    reached: dict[str, bool] = {}
    for name, gradient in zip(own, gradients, strict=True):
        if name.startswith("backbone."):
            reached[_layer(name)] = reached.get(_layer(name), False) or _any(gradient)
    return reached


def _layer(name: str) -> str:
    """Return the adapted layer's name in the user's model: what stands before peft's own names."""
    return name.removeprefix("backbone.").removeprefix("base_model.model.").split(".lora_")[0]


def _any(gradient: Tensor | None) -> bool:
    return gradient is not None and bool(gradient.any())
