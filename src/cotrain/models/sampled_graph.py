"""GraphSAGE on sampled neighbourhoods: a row is a tree of node numbers, and knows all it needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import torch
from torch import Tensor, nn

from cotrain.models.graph import data_digest
from cotrain.models.heads import task_heads
from cotrain.problem.options import NetworkOptions
from cotrain.problem.task import Task


class MeanLayer(nn.Module):
    """A node's own features and the mean of its neighbours', each through a linear map, added and rectified.

    Parameters
    ----------
    inputs, outputs
        Widths.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.own = nn.Linear(inputs, outputs)
        self.others = nn.Linear(inputs, outputs, bias=False)

    def forward(self, own: Tensor, others: Tensor, present: Tensor) -> Tensor:
        """Map ``(n, nodes, inputs)`` and ``(n, nodes, fanout, inputs)`` to ``(n, nodes, outputs)``."""
        count = present.sum(dim=2, keepdim=True).clamp(min=1)
        mean = (others * present[..., None]).sum(dim=2) / count
        rectified: Tensor = (self.own(own) + self.others(mean)).relu()
        return rectified


class SampledGraphNetwork(nn.Module):
    """One mean layer per hop, from the leaves of a tree to its root, then one linear head per task.

    Parameters
    ----------
    features
        ``(nodes, features)`` of the whole graph.
    fanouts
        Of the trees.
    tasks
        In the order of the output columns.
    digest
        Of the features; they are no part of the weights.
    options
        One width for each hop.
    """

    def __init__(
        self, features: Tensor, fanouts: Sequence[int], tasks: Sequence[Task], digest: Tensor, options: NetworkOptions
    ) -> None:
        super().__init__()
        widths = (features.shape[1], *options.hidden)
        self.fanouts = tuple(fanouts)
        self.layers = nn.ModuleList(MeanLayer(*pair) for pair in pairwise(widths))
        self.dropout = nn.Dropout(options.dropout)
        self.heads = task_heads(widths[-1], tasks)
        self.register_buffer("digest", digest)
        self.features: Tensor
        self.register_buffer("features", features, persistent=False)

    def forward(self, trees: Tensor) -> Tensor:
        """Map trees ``(n, nodes of a tree)`` to ``(n, sum of widths)``."""
        levels = self._levels(trees)
        hidden = [self.features[level.clamp(min=0)] for level in levels]
        for layer in self.layers:
            hidden = [
                self.dropout(layer(own, *self._grouped(others, level, fanout)))
                for own, others, level, fanout in zip(hidden, hidden[1:], levels[1:], self.fanouts, strict=False)
            ]
        outputs: Tensor = self.heads(hidden[0][:, 0])
        return outputs

    def _levels(self, trees: Tensor) -> list[Tensor]:
        sizes = [1]
        for fanout in self.fanouts:
            sizes.append(sizes[-1] * fanout)
        return list(torch.split(trees, sizes, dim=1))

    @staticmethod
    def _grouped(others: Tensor, level: Tensor, fanout: int) -> tuple[Tensor, Tensor]:
        """Return the features of a level by parent, and which of them are there."""
        rows = len(level)
        return others.reshape(rows, -1, fanout, others.shape[-1]), (level >= 0).reshape(rows, -1, fanout)


@dataclass(frozen=True, eq=False)
class SampledGraphFactory:
    """Builds a :class:`SampledGraphNetwork` for any tasks.

    Parameters
    ----------
    features, fanouts, options
        Of the networks.
    """

    features: Tensor
    fanouts: tuple[int, ...]
    options: NetworkOptions

    def __call__(self, tasks: Sequence[Task]) -> SampledGraphNetwork:
        """Return an untrained network for ``tasks``."""
        return SampledGraphNetwork(self.features, self.fanouts, tasks, self.digest, self.options)

    @cached_property
    def digest(self) -> Tensor:
        """Tells features apart."""
        return data_digest(self.features)
