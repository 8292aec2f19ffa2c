"""A power-law graph with planted overlapping communities, of any size, from a seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FAMILY = 10
"""Communities that share most of their members with one another."""
INSIDE = 0.6
"""Share of edges within a family; the others follow the degrees alone. Edges do not tell the communities of a family
apart: else every community could be read off them, and no task would gain from any other."""
LOYAL = 0.7
"""Share of a community's members that come from its family."""
SMALLEST, LARGEST = 0.01, 0.1
"""Sizes of communities, as shares of the nodes; between them, a power law."""


@dataclass(frozen=True, eq=False)
class PlantedGraph:
    """Edges ``(edges, 2)`` and memberships ``(nodes, communities)``."""

    edges: NDArray[np.int64]
    members: NDArray[np.bool_]


def planted_graph(nodes: int, edges: int, communities: int, seed: int) -> PlantedGraph:
    """Return a graph whose communities come in families; degrees follow a power law with exponent 2.5."""
    random = np.random.default_rng(seed)
    members = _members(nodes, communities, random)
    families = np.logical_or.reduceat(members, np.arange(0, communities, FAMILY), axis=1)
    inside = _inside(families, int(edges * INSIDE), random)
    weight = (np.arange(nodes) + 10.0) ** (-1 / 1.5)
    outside = random.choice(nodes, size=(edges - len(inside), 2), p=weight / weight.sum())
    return PlantedGraph(np.concatenate([inside, outside]), members)


def _members(nodes: int, communities: int, random: np.random.Generator) -> NDArray[np.bool_]:
    members = np.zeros((nodes, communities), dtype=bool)
    share = SMALLEST * (1 - random.random(communities) * (1 - SMALLEST / LARGEST)) ** -1
    for family in range(0, communities, FAMILY):
        order = random.permutation(nodes)
        for community in range(family, min(family + FAMILY, communities)):
            size = max(10, int(share[community] * nodes))
            pool = order[: max(size, int(1.5 * LARGEST * nodes))]
            loyal = random.choice(pool, int(LOYAL * size), replace=False)
            members[loyal, community] = True
            members[random.choice(nodes, size - len(loyal), replace=False), community] = True
    return members


def _inside(families: NDArray[np.bool_], edges: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Draw both ends of an edge from one family, families by size."""
    sizes = families.sum(axis=0)
    counts = random.multinomial(edges, sizes / sizes.sum())
    ends = [random.choice(np.flatnonzero(column), (count, 2)) for column, count in zip(families.T, counts, strict=True)]
    return np.concatenate(ends)
