"""Features averaged over neighbourhoods, once and before any training."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cotrain import checks
from cotrain.problem.graphs.graph import Graph


def propagate(graph: Graph, features: NDArray[np.float32], *, hops: int) -> NDArray[np.float32]:
    r"""Return ``[X, S X, ..., S^hops X]`` side by side: the inputs of a graph network without its layers.

    .. math:: S = D^{-1/2} (A + I) D^{-1/2}

    with the degrees ``D`` of ``A + I``. A network on these columns sees what ``hops`` graph convolutions see, yet every
    node is a plain row of features, so that rows can be batched and differentiated one by one. An isolated node
    keeps its own features in every block.

    Cost: ``2 * edges * features`` multiply-adds per hop, and ``nodes * features * (hops + 1) * 4`` bytes. Frasca et
    al., "SIGN: Scalable Inception Graph Neural Networks", 2020; Wu et al., "Simplifying Graph Convolutional Networks",
    ICML 2019.

    Parameters
    ----------
    graph
        Who is linked to whom.
    features
        ``(nodes, features)``.
    hops
        How far to look; 0 returns the features alone.

    Examples
    --------
    >>> line = Graph.of([[0, 1]], nodes=3)
    >>> propagate(line, np.array([[0.0], [2.0], [5.0]], dtype=np.float32), hops=1)
    array([[0., 1.], [2., 1.], [5., 5.]], dtype=float32)
    """
    checks.at_least("hops", hops, 0)
    width = features.shape[1]
    result = np.empty((graph.nodes, width * (hops + 1)), dtype=np.float32)
    for hop, block in enumerate(_walks(graph, features, hops)):
        result[:, hop * width : (hop + 1) * width] = block
    return result


def smoothing(graph: Graph) -> sparse.csr_array:
    """Return ``D^{-1/2} (A + I) D^{-1/2}``."""
    scale = sparse.diags_array(1 / np.sqrt(graph.degree + 1))
    looped = graph.adjacency + sparse.eye_array(graph.nodes, dtype=np.float32)
    return sparse.csr_array(scale @ looped @ scale).astype(np.float32)


def _walks(graph: Graph, features: NDArray[np.float32], hops: int) -> Iterator[NDArray[np.float32]]:
    matrix, block = smoothing(graph), features.astype(np.float32)
    yield block
    for _ in range(hops):
        block = matrix @ block
        yield block
