"""Which parameters tasks share: those that every task's own network has in common with the network of all tasks."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from cotrain.errors import InputError
from cotrain.problem.problem import Problem
from cotrain.training.untrained import untrained


def shared_parameters(problem: Problem) -> tuple[str, ...]:
    """Return the names of the trainable parameters that all tasks share, in the order of the network.

    A parameter is shared when the network of all tasks and the network of each task alone have it under the same name
    with the same shape. What is left are heads.

    Raises
    ------
    InputError
        When tasks share nothing.

    Examples
    --------
    >>> from cotrain.problem.demo import digits
    >>> shared_parameters(digits())
    ('trunk.0.weight', 'trunk.0.bias')
    """
    device = torch.device("cpu")
    together = _shapes(untrained(problem, (problem.subset(problem.names), 0), device))
    for name in problem.names:
        alone = _shapes(untrained(problem, ((name,), 0), device))
        together = {key: shape for key, shape in together.items() if alone.get(key) == shape}
    if not together:
        raise InputError("`problem` must build networks that share parameters between tasks. Found none in common.")
    return tuple(together)


def _shapes(network: nn.Module) -> Mapping[str, torch.Size]:
    return {name: value.shape for name, value in network.named_parameters() if value.requires_grad}
