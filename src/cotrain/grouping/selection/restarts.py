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

_JITTER = 1e-6  # keeps points distinct, which k-means needs
_SHAKEN = 0.3  # share of the units that a shake moves


def descents(scores: GroupScores, terms: Terms, *, restarts: int, seed: int) -> Networks:
    """Return all networks of the solutions that ``restarts`` local searches reach, best solution first."""
    search = ServedSetSearch(scores, terms)
    random = np.random.default_rng(derive(seed, "network selection"))
    reached: list[tuple[Labels, float]] = []
    for restart in range(max(restarts, 1)):
        if restart % 4 == 3:
            best = max(reached, key=lambda solution: solution[1])[0]
            start = _shaken(best, terms.networks, random)
        else:
            start = _spectral(scores, terms, random, share=1.0 - 0.5 * (restart % 2))
        reached.append(search.descend(start))
    reached.sort(key=lambda solution: -solution[1])
    networks = search.networks(reached[0][0])
    for labels, _ in reached[1:]:
        networks += search.networks(labels)
    return networks.distinct()


def _spectral(scores: GroupScores, terms: Terms, random: np.random.Generator, *, share: float) -> Labels:
    """Cluster the units on the leading eigenvectors of the symmetrised affinity, ``share`` times as many as sets."""
    units = terms.rules.units.astype(np.float64)
    affinity = units @ (scores.benefit + scores.benefit.T) @ units.T
    values, vectors = np.linalg.eigh(affinity)
    sets = min(terms.networks, len(units))
    leading = max(int(share * sets), 1)
    embedding = vectors[:, -leading:] * np.sqrt(np.maximum(values[-leading:], 0.0))
    embedding += random.normal(scale=_JITTER * (1.0 + np.abs(embedding).max()), size=embedding.shape)
    means = KMeans(sets, n_init=1, random_state=int(random.integers(2**31)))
    labels: Labels = means.fit_predict(embedding).astype(np.int64)
    return labels


def _shaken(labels: Labels, sets: int, random: np.random.Generator) -> Labels:
    moved: NDArray[np.bool_] = random.random(len(labels)) < _SHAKEN
    return np.where(moved, random.integers(sets, size=len(labels)), labels)
