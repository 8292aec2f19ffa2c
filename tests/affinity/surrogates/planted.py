"""Tables of subset losses whose law is known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cotrain.affinity.design import truth_design
from cotrain.affinity.subset_losses import SubsetLosses

Floats = NDArray[np.float64]


def table(mask: NDArray[np.bool_], benefit: Floats, *, noise: float = 0.0, seed: int = 0) -> SubsetLosses:
    """Losses ``exp(-benefit)`` with a noise on the logarithm; tasks are named in alphabetical order."""
    names = tuple(f"t{number:02d}" for number in range(mask.shape[1]))
    scatter = noise * np.random.default_rng(seed).normal(size=mask.shape)
    losses = np.where(mask, np.exp(scatter - benefit), np.nan)
    return SubsetLosses.from_seeds(names, mask, losses[None])


def design(tasks: int, *, larger: int, seed: int = 0) -> NDArray[np.bool_]:
    """Every task alone, all together, and random subsets of three tasks or more."""
    names = [f"t{number:02d}" for number in range(tasks)]
    return truth_design(names, pairs=0, larger=larger, seed=seed)


def additive(mask: NDArray[np.bool_], weights: Floats) -> Floats:
    """Each partner brings its own benefit."""
    benefit: Floats = mask.astype(np.float64) @ np.where(np.eye(len(weights), dtype=bool), 0.0, weights).T
    return benefit


def by_size(mask: NDArray[np.bool_], slope: float | Floats) -> Floats:
    """Nothing matters but the number of tasks, the same to all or with a slope for each."""
    return np.broadcast_to(slope * np.log(mask.sum(axis=1, keepdims=True)), mask.shape)


def blocks(tasks: int, strength: float) -> Floats:
    """Two halves: partners of the same half help, others hurt."""
    half = np.arange(tasks) < tasks // 2
    return np.where(half[:, None] == half[None, :], strength, -strength)
