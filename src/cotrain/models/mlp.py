"""The default network: a shared multilayer perceptron with one linear head per task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from cotrain.models.heads import task_heads
from cotrain.problem.options import NetworkOptions
from cotrain.problem.task import Task


class SharedMLP(nn.Module):
    """Shared layers and one linear head per task; see :func:`~cotrain.models.heads.task_heads`.

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
    >>> import torch
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
        self.heads = task_heads(width, tasks)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map ``(n, features)`` to ``(n, sum of widths)``."""
        outputs: Tensor = self.heads(self.trunk(inputs))
        return outputs


@dataclass(frozen=True)
class SharedMLPFactory:
    """Builds a :class:`SharedMLP` for any tasks: the default of every reader, as a comparable value.

    Examples
    --------
    >>> import torch
    >>> SharedMLPFactory(5, NetworkOptions(hidden=(8,)))([Task("a")])(torch.zeros(2, 5)).shape
    torch.Size([2, 1])
    """

    features: int
    options: NetworkOptions

    def __call__(self, tasks: Sequence[Task]) -> SharedMLP:
        """Return an untrained network for ``tasks``."""
        return SharedMLP(self.features, tasks, self.options)
