"""Optimizers, and their state as plain tensors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer

from cotrain.errors import InputError
from cotrain.problem.options import TrainingOptions

MOMENTUM = 0.9


def optimizer_of(
    weights: Iterable[nn.Parameter], options: TrainingOptions, extra: Iterable[nn.Parameter] = ()
) -> Optimizer:
    """Return the optimizer that ``options`` names, for those weights that train; ``extra`` ones do not decay.

    Raises
    ------
    InputError
        When none does.
    """
    parameters = [weight for weight in weights if weight.requires_grad]
    if not parameters:
        raise InputError("A network must have a parameter that trains (`requires_grad`). Found none.")
    rate, decay = options.learning_rate, options.weight_decay
    groups: list[dict[str, Any]] = [{"params": parameters, "weight_decay": decay}]
    if undecayed := list(extra):
        groups.append({"params": undecayed, "weight_decay": 0.0})
    if options.optimizer == "adamw":
        return AdamW(groups, lr=rate, fused=True)
    return SGD(groups, lr=rate, momentum=MOMENTUM, fused=True)


def optimizer_state(optimizer: Optimizer) -> dict[str, Tensor]:
    """Return what the optimizer remembers of each weight."""
    state = optimizer.state_dict()["state"]
    return {f"{index}.{key}": value for index, own in state.items() for key, value in own.items()}


def restore_optimizer(optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Let a fresh optimizer remember what :func:`optimizer_state` returned."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, key = name.split(".", maxsplit=1)
        state.setdefault(int(index), {})[key] = value.clone()
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def keep_members(optimizer: Optimizer, fresh: Optimizer, members: Sequence[int]) -> Optimizer:
    """Move the state of some members of an ensemble to a fresh optimizer; step counts are common to all."""
    state = {name: value[members] if value.dim() else value for name, value in optimizer_state(optimizer).items()}
    restore_optimizer(fresh, state)
    return fresh
