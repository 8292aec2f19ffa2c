"""Local searches from several starts: spectral clusters, random sets, and the best solution shaken."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from cotrain.grouping.selection.group_scores import GroupScores
from cotrain.grouping.selection.networks import Networks
from cotrain.grouping.selection.served_sets import Labels, ServedSetSearch
from cotrain.grouping.selection.terms import Terms
from cotrain.seeding import derive

_SHAKEN = 0.15  # share of the units that a shake moves


def descents(scores: GroupScores, terms: Terms, *, restarts: int, seed: int) -> Networks:
    """Return all networks of the solutions that ``restarts`` local searches reach, best solution first."""
    search = ServedSetSearch(scores, terms)
    random = np.random.default_rng(derive(seed, "network selection"))
    reached = [search.descend(_spectral(scores, terms, random))]
    for restart in range(1, restarts):
        best = max(reached, key=lambda solution: solution[1])[0]
        start = _spectral(scores, terms, random) if restart % 4 == 0 else _shaken(best, terms.networks, random)
        reached.append(search.descend(start))
    reached.sort(key=lambda solution: -solution[1])
    networks = search.networks(reached[0][0])
    for labels, _ in reached[1:]:
        networks += search.networks(labels)
    return networks.distinct()


def _spectral(scores: GroupScores, terms: Terms, random: np.random.Generator) -> Labels:
    """Cluster the units on the leading eigenvectors of the symmetrised affinity."""
    units = terms.rules.units.astype(np.float64)
    affinity = units @ (scores.benefit + scores.benefit.T) @ units.T
    values, vectors = np.linalg.eigh(affinity)
    sets = min(terms.networks, len(units))
    embedding = vectors[:, -sets:] * np.sqrt(np.maximum(values[-sets:], 0.0))
    means = KMeans(sets, n_init=1, random_state=int(random.integers(2**31)))
    labels: Labels = means.fit_predict(embedding).astype(np.int64)
    return labels


def _shaken(labels: Labels, sets: int, random: np.random.Generator) -> Labels:
    moved: NDArray[np.bool_] = random.random(len(labels)) < _SHAKEN
    return np.where(moved, random.integers(sets, size=len(labels)), labels)
