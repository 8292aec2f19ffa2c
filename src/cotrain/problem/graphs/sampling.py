"""Neighbourhoods of bounded size, drawn once: what lets nodes train in batches, however large their graph."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cotrain import checks
from cotrain.problem.graphs.graph import Graph
from cotrain.seeding import derive

ABSENT = -1
"""Stands where a node has fewer neighbours than are drawn."""


def sample_trees(graph: Graph, nodes: NDArray[np.int64], *, fanouts: Sequence[int], seed: int = 0) -> NDArray[np.int64]:
    """Return, for every node, itself, some of its neighbours, some of theirs, and so on.

    Neighbours are drawn without repeats, afresh for every hop but once for all rows: a node shows the same neighbours
    wherever it stands on a hop. With fan-outs as large as the largest degree nothing is left out.

    Cost: one sort of the edges per hop, and ``1 + f1 + f1 f2 + ...`` numbers per row. Hamilton, Ying and Leskovec,
    "Inductive Representation Learning on Large Graphs", NeurIPS 2017.

    Parameters
    ----------
    graph
        Who is linked to whom.
    nodes
        Roots of the trees.
    fanouts
        Neighbours drawn at each hop.
    seed
        Of the draws.

    Returns
    -------
    numpy.ndarray
        ``(nodes, 1 + f1 + f1 f2 + ...)``, level by level; -1 where there is no neighbour.

    Examples
    --------
    >>> star = Graph.of([[0, 1], [0, 2]], nodes=3)
    >>> sample_trees(star, np.array([1]), fanouts=(2, 2))
    array([[ 1,  0, -1,  1,  2, -1, -1]])
    """
    level = nodes[:, None]
    levels = [level]
    for hop, fanout in enumerate(fanouts):
        checks.at_least("fanouts", fanout, 1)
        few = _few_neighbours(graph, fanout, derive(seed, "neighbours", hop))
        level = few[level].reshape(len(nodes), -1)
        levels.append(level)
    return np.concatenate(levels, axis=1)


def _few_neighbours(graph: Graph, fanout: int, seed: int) -> NDArray[np.int64]:
    """Return ``(nodes + 1, fanout)``, neighbours in rising order; the last row, which -1 finds, is empty."""
    source, target = graph.edge_index
    order = np.lexsort((np.random.default_rng(seed).random(len(source)), source))
    source, target = source[order], target[order]
    place = np.arange(len(source)) - np.searchsorted(source, source)
    kept = place < fanout
    few = np.full((graph.nodes + 1, fanout), graph.nodes, dtype=np.int64)
    few[source[kept], place[kept]] = target[kept]
    few.sort(axis=1)
    return np.where(few == graph.nodes, ABSENT, few)
