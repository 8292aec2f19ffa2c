"""A network for many tasks in which the networks of their subsets have a place, so that they can be stacked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import EllipsisType
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from cotrain.errors import CotrainError
from cotrain.problem.losses import Outputs, output_columns
from cotrain.problem.rows import Inputs
from cotrain.problem.task import Subset, Task

Weights: TypeAlias = dict[str, Tensor]


class UnstackableError(CotrainError):
    """A network whose like cannot train as one ensemble."""


@dataclass(frozen=True, eq=False)
class Layout:
    """Places the weights of a subset's network in those of a network for all tasks.

    Weights of the same name and shape take the same place; weights with one row per output column take their tasks'
    rows; weights of other tasks are absent, which is to say zero.

    Parameters
    ----------
    tasks
        In the order of the network's outputs.
    network
        For all tasks.
    """

    tasks: tuple[Task, ...]
    network: nn.Module

    def embed(self, part: Mapping[str, Tensor], subset: Subset) -> Weights:
        """Return the named weights of a subset's network (or their gradients) in the places of the whole network."""
        rest, result = dict(part), {}
        for name, whole in self.network.named_parameters():
            result[name] = torch.zeros_like(whole)
            if name in rest:
                own = rest.pop(name).detach()
                result[name][self._place(name, own, whole, subset)] = own
        if rest:
            raise UnstackableError(f"weights without a place: {', '.join(rest)}")
        return result

    def extract(self, weights: Mapping[str, Tensor], part: nn.Module, subset: Subset) -> None:
        """Put weights of the whole network into a subset's network."""
        with torch.no_grad():
            for name, own in part.named_parameters():
                own.copy_(weights[name][self._place(name, own, weights[name], subset)])

    def call(self, weights: Mapping[str, Tensor], inputs: Inputs, *, shared_inputs: bool = False) -> Outputs:
        """Return outputs ``(members * rows, ...)`` of an ensemble with stacked ``weights``.

        ``inputs`` are ``(members, rows, ...)``, or ``(rows, ...)`` when all members share them.
        """
        one = vmap(self._call_one, in_dims=(0, None if shared_inputs else 0))
        outputs: Outputs = one(dict(weights), inputs)
        if isinstance(outputs, Tensor):
            return outputs.flatten(0, 1)
        return {name: part.flatten(0, 1) for name, part in outputs.items()}

    def _call_one(self, weights: Weights, inputs: Inputs) -> Outputs:
        outputs: Outputs = functional_call(self.network, weights, (inputs,))
        return outputs

    def _place(self, name: str, own: Tensor, whole: Tensor, subset: Subset) -> Tensor | EllipsisType:
        if own.shape == whole.shape:
            return ...
        columns = output_columns(self.tasks)
        rows = [row for task in subset for row in range(columns[task].start, columns[task].stop)]
        width = sum(task.width for task in self.tasks)
        if own.shape[1:] != whole.shape[1:] or (len(own), len(whole)) != (len(rows), width):
            raise UnstackableError(f"the shape of '{name}' depends on the tasks")
        return torch.tensor(rows)


def folded(inputs: Inputs, shape: torch.Size) -> Inputs:
    """Return rows ``(members * batch, ...)`` as ``(members, batch, ...)``."""
    if isinstance(inputs, Tensor):
        return inputs.reshape(*shape, *inputs.shape[1:])
    return {name: part.reshape(*shape, *part.shape[1:]) for name, part in inputs.items()}
