"""Features of nodes that have none: where they stand in the graph."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.extmath import randomized_svd

from cotrain import checks
from cotrain.problem.graphs.graph import Graph
from cotrain.problem.graphs.propagation import smoothing
from cotrain.seeding import derive


def structural_features(graph: Graph, *, dim: int = 64, seed: int = 0) -> NDArray[np.float32]:
    """Return ``dim - 1`` coordinates of a spectral embedding and the logarithm of one plus the degree.

    The embedding holds the leading singular vectors of ``D^{-1/2} (A + I) D^{-1/2}`` times the roots of their singular
    values, scaled to deviation 1: nodes of one community are near each other. No label is looked at. Isolated nodes
    are placed by themselves or at zero, and have degree zero.

    Cost: about ``30 * edges * dim`` multiply-adds (a randomised decomposition with four power iterations).

    Parameters
    ----------
    graph
        Who is linked to whom.
    dim
        Number of features, at most the number of nodes.
    seed
        Of the decomposition.

    Examples
    --------
    >>> two = Graph.of([[0, 1], [1, 2], [2, 0], [3, 4], [4, 5], [5, 3]], nodes=6)
    >>> structural_features(two, dim=3).shape
    (6, 3)
    """
    checks.at_least("structural_dim", dim, 2)
    rank = min(dim, graph.nodes) - 1
    left, values, _ = randomized_svd(
        smoothing(graph), rank, n_iter=4, random_state=derive(seed, "structural features") % 2**32
    )
    embedding = left * np.sqrt(values) * np.sqrt(graph.nodes)
    return np.column_stack([embedding, np.log1p(graph.degree)]).astype(np.float32)
