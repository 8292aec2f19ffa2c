"""Embedding tasks by a graph attention auto-encoder of their similarities."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from cotrain.grouping.matrices import Matrix
from cotrain.seeding import seeded

_WIDTH, _DIMENSIONS, _EPOCHS, _RATE = 32, 8, 200, 1e-2


class GraphAttention(nn.Module):
    """One graph attention layer: each node takes a weighted mean of its neighbours, weights learned from both ends.

    Veličković et al., *Graph Attention Networks*, ICLR 2018. Edges are weighted: attention is multiplied by ``weights``
    before it is normalised.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.transform = nn.Linear(inputs, outputs, bias=False)
        self.target, self.source = nn.Linear(outputs, 1, bias=False), nn.Linear(outputs, 1, bias=False)

    def forward(self, nodes: Tensor, weights: Tensor) -> Tensor:
        """Return new features ``(nodes, outputs)``."""
        hidden = self.transform(nodes)
        scores = functional.leaky_relu(self.target(hidden) + self.source(hidden).T, 0.2)
        attention = torch.softmax(scores + torch.log(weights + 1e-9), dim=1)
        mixed: Tensor = attention @ hidden
        return mixed


def attention_embedding(weights: Matrix, *, seed: int) -> Matrix:
    """Return ``(tasks, 8)`` features whose inner products reconstruct the similarities in ``[0, 1]``.

    Two attention layers on the rows of ``weights``, full-batch Adam on the binary cross-entropy of the reconstruction.
    """
    edges = torch.as_tensor(weights, dtype=torch.float32)
    with seeded(seed, "graph attention"):
        first, second = GraphAttention(len(edges), _WIDTH), GraphAttention(_WIDTH, _DIMENSIONS)
    optimizer = torch.optim.Adam([*first.parameters(), *second.parameters()], lr=_RATE)
    for _ in range(_EPOCHS):
        nodes = second(functional.elu(first(edges, edges)), edges)
        loss = functional.binary_cross_entropy_with_logits(nodes @ nodes.T, edges)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    embedding: Matrix = second(functional.elu(first(edges, edges)), edges).detach().double().numpy()
    return embedding
