"""Which subsets to train next: first subsets of all sizes, then those that would tell most."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cotrain.affinity.design import of_all_sizes
from cotrain.affinity.surrogates.gain_process import GainProcess
from cotrain.affinity.surrogates.observations import Points
from cotrain.seeding import derive

Price: TypeAlias = Callable[[NDArray[np.bool_]], NDArray[np.float64]]
"""What it costs to train each of the subsets of a mask, in any unit."""
_LARGEST = 12
_CANDIDATES = 80
_TARGETS = 400


def largest(tasks: int) -> int:
    """Return the most tasks of a subset that is trained to learn from, all together apart."""
    return max(2, min(tasks - 1, _LARGEST))


def first_subsets(tasks: Sequence[str], count: int, seed: int) -> NDArray[np.bool_]:
    """Return ``count`` subsets of two to all but one tasks (or 12), all sizes equally often, pairs balanced within one.

    Examples
    --------
    >>> first_subsets(list("abcdef"), 8, seed=0).sum(axis=1).tolist()
    [2, 2, 3, 3, 4, 4, 5, 5]
    """
    return of_all_sizes(tasks, 2, largest(len(tasks)), count=count, seed=seed)


def most_telling(model: GainProcess, count: int, seed: int, *, price: Price) -> NDArray[np.bool_]:
    """Return ``count`` subsets that would, for their price, most reduce the variance of the gains of random subsets.

    Greedy: each choice takes those before it as trained. The variance of a Gaussian process does not depend on what is
    observed, only on where, so that a whole batch is chosen before any of it is trained.

    Parameters
    ----------
    model
        What was learned so far.
    count
        Subsets to choose; they may repeat trained ones, for a further seed.
    seed
        Of the candidates and of the random subsets.
    price
        Where tasks have rows of their own, larger subsets take longer.
    """
    rng = np.random.default_rng(derive(seed, "telling", len(model.observations.points)))
    candidates = _random_subsets(rng, len(model.tasks), max(_CANDIDATES, 2 * count))
    targets = Points.of(_random_subsets(rng, len(model.tasks), _CANDIDATES))
    targets = targets.at(rng.permutation(len(targets))[:_TARGETS])
    points = Points.of(candidates)
    covariance = model.posterior_covariance(targets.joined(points))
    members = [np.flatnonzero(points.network == number) + len(targets) for number in range(len(candidates))]
    noise = torch.cat([torch.zeros(len(targets), dtype=torch.float64), model.settings.noise(points)])
    return candidates[_greedy(covariance, noise, members, price(candidates), len(targets), count)]


def _greedy(
    covariance: Tensor,
    noise: Tensor,
    members: Sequence[NDArray[np.int64]],
    prices: NDArray[np.float64],
    targets: int,
    count: int,
) -> list[int]:
    """Return the numbers of the chosen candidates; the first ``targets`` rows are what should become certain."""
    left, chosen = list(range(len(members))), list[int]()
    while len(chosen) < count:
        halves = [_told(covariance, noise, members[number]) for number in left]
        told = np.array([float(half[:targets].square().sum()) for half in halves])
        best = int(np.argmax(told / prices[left]))
        chosen.append(left.pop(best))
        covariance = covariance - halves[best] @ halves[best].T
    return chosen


def _told(covariance: Tensor, noise: Tensor, points: NDArray[np.int64]) -> Tensor:
    """Return ``H`` such that observing ``points`` lowers the covariance by ``H @ H.T``."""
    observed = covariance[points][:, points] + torch.diag(noise[points])
    half: Tensor = torch.linalg.solve_triangular(torch.linalg.cholesky(observed), covariance[points], upper=False).T
    return half


def _random_subsets(rng: np.random.Generator, tasks: int, count: int) -> NDArray[np.bool_]:
    """Return subsets of two tasks or more, all sizes equally likely."""
    sizes = rng.integers(2, largest(tasks) + 1, size=count)
    order = rng.random((count, tasks)).argsort(axis=1).argsort(axis=1)
    subsets: NDArray[np.bool_] = order < sizes[:, None]
    return subsets
