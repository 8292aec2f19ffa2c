"""Networks of graph convolutions: they hold the graph and are called with node numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from cotrain.errors import MissingExtraError
from cotrain.models.heads import task_heads
from cotrain.problem.graphs.graph import Graph
from cotrain.problem.options import NetworkOptions
from cotrain.problem.task import Task


def data_digest(features: Tensor, *more: bytes) -> Tensor:
    """Return 32 bytes that tell data apart, to be kept among a network's buffers."""
    digest = hashlib.sha256(b"".join(more))
    digest.update(features.contiguous().numpy().data)
    return torch.frombuffer(bytearray(digest.digest()), dtype=torch.uint8)


class GraphNetwork(nn.Module):
    """Graph convolutions over all nodes, then one linear head per task at the nodes that are asked for.

    Every call runs over the whole graph, whatever the batch: large batches waste least. Graph and features are no part
    of the weights; a digest of them is, so that stored results of other ones are told apart.

    Parameters
    ----------
    convolutions
        Called with all nodes' features and ``edge_index``, as those of PyTorch Geometric.
    width
        Of the last one.
    tasks
        In the order of the output columns.
    graph
        Who is linked to whom.
    features
        ``(nodes, features)``.
    digest
        Of graph and features.
    dropout
        Probability of dropping a hidden unit while training.
    """

    def __init__(
        self,
        convolutions: Sequence[nn.Module],
        width: int,
        tasks: Sequence[Task],
        graph: Graph,
        features: Tensor,
        digest: Tensor,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(convolutions)
        self.dropout = nn.Dropout(dropout)
        self.heads = task_heads(width, tasks)
        self.register_buffer("digest", digest)
        self.features: Tensor
        self.edge_index: Tensor
        self.register_buffer("features", features, persistent=False)
        self.register_buffer("edge_index", torch.from_numpy(graph.edge_index), persistent=False)

    def forward(self, nodes: Tensor) -> Tensor:
        """Map node numbers ``(n,)`` to ``(n, sum of widths)``."""
        hidden = self.features
        for convolution in self.convolutions:
            hidden = self.dropout(convolution(hidden, self.edge_index).relu())
        outputs: Tensor = self.heads(hidden[nodes])
        return outputs


@dataclass(frozen=True, eq=False)
class GraphNetworkFactory:
    """Builds a :class:`GraphNetwork` of PyTorch Geometric's convolutions for any tasks.

    Parameters
    ----------
    graph
        Who is linked to whom.
    features
        ``(nodes, features)``.
    model
        ``"gcn"`` or ``"sage"``.
    options
        One convolution for each width.
    """

    graph: Graph
    features: Tensor
    model: str
    options: NetworkOptions

    def __post_init__(self) -> None:
        if find_spec("torch_geometric") is None:
            raise MissingExtraError("training graph convolutions", extra="graph")

    def __call__(self, tasks: Sequence[Task]) -> GraphNetwork:
        """Return an untrained network for ``tasks``."""
        widths = (self.features.shape[1], *self.options.hidden)
        layers = [self._convolution(*pair) for pair in pairwise(widths)]
        parts = (self.graph, self.features, self.digest)
        return GraphNetwork(layers, widths[-1], tasks, *parts, self.options.dropout)

    @cached_property
    def digest(self) -> Tensor:
        """Tells graphs and features apart."""
        return data_digest(self.features, self.graph.digest)

    def _convolution(self, inputs: int, outputs: int) -> Any:
        from torch_geometric import nn as geometric

        return {"gcn": geometric.GCNConv, "sage": geometric.SAGEConv}[self.model](inputs, outputs)
