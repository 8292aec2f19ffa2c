"""Local searches from several starts: spectral clusters, chance, and the best solution with some sets dissolved."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from cotrain.grouping.selection.group_scores import GroupScores
from cotrain.grouping.selection.networks import Networks
from cotrain.grouping.selection.relocation import descend
from cotrain.grouping.selection.served_sets import Labels, ServedSets
from cotrain.grouping.selection.terms import Terms
from cotrain.seeding import derive

_JITTER = 1e-6  # keeps points distinct, which k-means needs
_DISSOLVED = 1 / 6  # share of the sets whose units are spread over all
_CHANCE_EVERY, _SPECTRAL_EVERY = 4, 20  # one start in so many; the others begin at the best solution so far


def descents(scores: GroupScores, terms: Terms, *, restarts: int, seed: int) -> list[Networks]:
    """Return the networks of every solution that ``restarts`` local searches reach, best solution first."""
    sets = ServedSets(scores, terms)
    random = np.random.default_rng(derive(seed, "network selection"))
    chance = chance_starts(len(terms.rules.units), terms.networks, seed=seed)
    reached: list[tuple[Labels, float]] = []
    for restart in range(max(restarts, 1)):
        if restart % _CHANCE_EVERY == 1:
            start = next(chance)
        elif restart % _SPECTRAL_EVERY == 0:
            start = _spectral(scores, terms, random, share=1.0 - 0.5 * (restart // _SPECTRAL_EVERY % 2))
        else:
            best = max(reached, key=lambda solution: solution[1])[0]
            start = _dissolved(best, terms.networks, random)
        reached.append(descend(sets, start))
    reached.sort(key=lambda solution: -solution[1])
    return [sets.networks(labels) for labels, _ in reached]


def chance_starts(units: int, sets: int, *, seed: int) -> Iterator[Labels]:
    """Yield random sets of equal size without end; every fourth local search begins at the next of them."""
    random = np.random.default_rng(derive(seed, "network selection by chance"))
    while True:
        yield random.permutation(units) % sets


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


def _dissolved(labels: Labels, sets: int, random: np.random.Generator) -> Labels:
    count = min(max(round(_DISSOLVED * sets), 2), sets)
    homeless: NDArray[np.bool_] = np.isin(labels, random.choice(sets, size=count, replace=False))
    return np.where(homeless, random.integers(sets, size=len(labels)), labels)
