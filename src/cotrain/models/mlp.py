"""The default network: a shared multilayer perceptron with one linear head per task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cotrain.problem.options import NetworkOptions
from cotrain.problem.task import Task
from cotrain.seeding import seeded


class SharedMLP(nn.Module):
    """Shared layers and one linear head per task, all heads in one matrix product.

    A head starts from a seed of its own that depends on the task's name alone: a task starts the same whoever its
    partners are and in whatever order they come.

    Parameters
    ----------
    features
        Number of input columns.
    tasks
        In the order of the output columns.
    options
        Widths and dropout.

    Examples
    --------
    >>> network = SharedMLP(5, [Task("a"), Task("b", "multiclass", classes=3)], NetworkOptions(hidden=(8,)))
    >>> network(torch.zeros(2, 5)).shape
    torch.Size([2, 4])
    """

    def __init__(self, features: int, tasks: Sequence[Task], options: NetworkOptions) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = features
        for hidden in options.hidden:
            layers += [nn.Linear(width, hidden), nn.ReLU()]
            layers += [nn.Dropout(options.dropout)] if options.dropout else []
            width = hidden
        self.trunk = nn.Sequential(*layers)
        seed = int(torch.randint(2**31, ()).item())  # drawn before the heads, whose number would shift it
        self.heads = nn.Linear(width, sum(task.width for task in tasks))
        self._start_heads(tasks, width, seed)

    def _start_heads(self, tasks: Sequence[Task], width: int, seed: int) -> None:
        own = []
        for task in tasks:
            with seeded(seed, task.name):
                own.append(nn.Linear(width, task.width))
        with torch.no_grad():
            self.heads.weight.copy_(torch.cat([head.weight for head in own]))
            self.heads.bias.copy_(torch.cat([head.bias for head in own]))

    def forward(self, inputs: Tensor) -> Tensor:
        """Map ``(n, features)`` to ``(n, sum of widths)``."""
        outputs: Tensor = self.heads(self.trunk(inputs))
        return outputs


@dataclass(frozen=True)
class SharedMLPFactory:
    """Builds a :class:`SharedMLP` for any tasks: the default of every reader, as a comparable value.

    Examples
    --------
    >>> SharedMLPFactory(5, NetworkOptions(hidden=(8,)))([Task("a")])(torch.zeros(2, 5)).shape
    torch.Size([2, 1])
    """

    features: int
    options: NetworkOptions

    def __call__(self, tasks: Sequence[Task]) -> SharedMLP:
        """Return an untrained network for ``tasks``."""
        return SharedMLP(self.features, tasks, self.options)
