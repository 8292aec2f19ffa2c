"""The representation that linear heads read, as a network computes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cotrain.errors import InputError
from cotrain.problem.losses import Outputs
from cotrain.problem.rows import Inputs
from cotrain.problem.task import Task


@dataclass(frozen=True)
class LastLayer:
    """Where a network's linear heads are, by their numbers among its linear layers.

    Copies and wrappers of the network have them in the same places.

    Parameters
    ----------
    heads
        Numbers of the layers.
    width
        Of the representation that all of them read.
    """

    heads: tuple[int, ...]
    width: int

    def call(self, network: nn.Module, inputs: Inputs) -> tuple[Outputs, Tensor]:
        """Return the network's outputs and the representation ``(rows, width)``."""
        outputs, read = _listen([_linear(network)[number] for number in self.heads], network, inputs)
        return outputs, read[0]

    def parameters(self, network: nn.Module) -> list[nn.Parameter]:
        """Return the trained parameters of the heads."""
        layers = [_linear(network)[number] for number in self.heads]
        return [own for layer in layers for own in layer.parameters() if own.requires_grad]


def last_layer(
    network: nn.Module, tasks: Sequence[Task], shared: Tensor, inputs: Inputs, *, needed_by: str
) -> LastLayer:
    """Find the heads: the linear layers that are not shared.

    Parameters
    ----------
    network
        In eval mode.
    tasks
        That train together.
    shared
        See :func:`~cotrain.training.balancing.sharing.shared_numbers`.
    inputs
        A few rows.
    needed_by
        What asks, for the message.

    Raises
    ------
    InputError
        When what tasks have of their own is not linear heads on one representation.
    """
    own = _own(network, shared)
    layers = _linear(network)
    heads = tuple(number for number, layer in enumerate(layers) if any(id(p) in own for p in layer.parameters()))
    found = LastLayer(heads, layers[heads[0]].in_features if heads else 0)
    known = {id(parameter) for parameter in found.parameters(network)}
    _, read = _listen([layers[number] for number in heads], network, inputs)
    if not heads or known != own or any(one is not read[0] for one in read) or read[0].dim() != 2:
        raise InputError(
            f"{needed_by} needs linear heads on one representation and nothing else that tasks have of their own."
            f" The network for {', '.join(task.name for task in tasks)} is not so: choose another one."
        )
    return found


def _own(network: nn.Module, shared: Tensor) -> set[int]:
    """Return the identities of the trained parameters that are not shared."""
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    parts = torch.split(shared, [parameter.numel() for parameter in trained])
    return {id(parameter) for parameter, part in zip(trained, parts, strict=True) if not bool(part.any())}


def _linear(network: nn.Module) -> list[nn.Linear]:
    return [module for module in network.modules() if isinstance(module, nn.Linear)]


def _listen(layers: Sequence[nn.Module], network: nn.Module, inputs: Inputs) -> tuple[Outputs, list[Tensor]]:
    """Return the network's outputs and what the layers read."""
    read: list[Tensor] = []
    hooks = [layer.register_forward_pre_hook(lambda _, given: read.append(given[0])) for layer in layers]
    try:
        outputs: Outputs = network(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return outputs, read
