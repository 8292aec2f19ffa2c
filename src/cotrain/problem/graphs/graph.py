"""A graph: nodes, edges, and the matrices made of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cotrain.errors import InputError
from cotrain.problem.columns import as_array


@dataclass(frozen=True, eq=False)
class Graph:
    """An undirected graph without loops or repeated edges.

    Parameters
    ----------
    adjacency
        Symmetric ``(nodes, nodes)`` with ones, or weights, where there is an edge.

    Examples
    --------
    >>> graph = Graph.of([[0, 1], [1, 0], [1, 2], [2, 2]], nodes=4)
    >>> graph.degree.tolist(), graph.isolated.tolist()
    ([1.0, 2.0, 1.0, 0.0], [3])
    """

    adjacency: sparse.csr_array

    @classmethod
    def of(cls, edges: Any, *, nodes: int, weights: Any = None) -> Graph:
        """Return the graph of a list of edges, each given once or in both directions.

        Parameters
        ----------
        edges
            ``(edges, 2)`` node numbers from 0. Loops are left out; of an edge given several times, in whichever
            direction, the largest weight counts.
        nodes
            Their number.
        weights
            ``(edges,)``, positive; ones by default.

        Raises
        ------
        InputError
            When an edge leads to a node that does not exist, or a weight is not positive.
        """
        pairs = _checked_edges(as_array(edges), nodes)
        values = np.ones(len(pairs), np.float32) if weights is None else _checked_weights(weights, len(pairs))
        once = pairs[:, 0] != pairs[:, 1]
        low, high = pairs[once].min(axis=1), pairs[once].max(axis=1)
        upper = _largest(low, high, values[once], nodes)
        return cls(sparse.csr_array(upper + upper.T))

    @property
    def nodes(self) -> int:
        """Their number."""
        return int(self.adjacency.shape[0])

    @property
    def edges(self) -> int:
        """Number of undirected edges."""
        return int(self.adjacency.nnz // 2)

    @cached_property
    def degree(self) -> NDArray[np.float64]:
        """``(nodes,)``: sum of the weights of a node's edges."""
        return np.asarray(self.adjacency.sum(axis=1), dtype=np.float64).ravel()

    @property
    def isolated(self) -> NDArray[np.int64]:
        """Numbers of the nodes without an edge."""
        return np.flatnonzero(self.degree == 0)

    @cached_property
    def edge_index(self) -> NDArray[np.int64]:
        """``(2, 2 * edges)``: every edge in both directions, as PyTorch Geometric has them."""
        coordinates = self.adjacency.tocoo()
        return np.stack([coordinates.row, coordinates.col]).astype(np.int64)

    @cached_property
    def digest(self) -> bytes:
        """32 bytes that tell one graph from another."""
        parts = (self.adjacency.indptr.astype(np.int64), self.adjacency.indices.astype(np.int64), self.adjacency.data)
        digest = hashlib.sha256(str(self.nodes).encode())
        for part in parts:
            digest.update(np.ascontiguousarray(part).data)
        return digest.digest()


def _checked_edges(edges: NDArray[Any], nodes: int) -> NDArray[np.int64]:
    if edges.ndim != 2 or edges.shape[1] != 2 or edges.dtype.kind not in "iu":
        raise InputError(f"`edges` must be whole numbers (edges, 2). Found {edges.dtype} with shape {edges.shape}.")
    if len(edges) and (edges.min() < 0 or edges.max() >= nodes):
        raise InputError(
            f"`edges` must join nodes 0 to {nodes - 1}. Found nodes {edges.min()} to {edges.max()}. "
            "Number the nodes from 0, as the rows of the labels."
        )
    return edges.astype(np.int64)


def _checked_weights(weights: Any, count: int) -> NDArray[np.float32]:
    values = as_array(weights).astype(np.float32)
    if values.shape != (count,) or not (values > 0).all() or not np.isfinite(values).all():
        raise InputError(f"`edge_weight` must hold one positive number for each of {count} edges.")
    return values


def _largest(
    low: NDArray[np.int64], high: NDArray[np.int64], values: NDArray[np.float32], nodes: int
) -> sparse.csr_array:
    """Return the upper triangle; of repeated entries the largest."""
    order = np.lexsort((-values, high, low))
    low, high, values = low[order], high[order], values[order]
    first = np.ones(len(low), dtype=bool)
    first[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    return sparse.csr_array((values[first], (low[first], high[first])), shape=(nodes, nodes))
