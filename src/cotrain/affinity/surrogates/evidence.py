"""The strengths of a Gaussian process's parts: those that make what was observed most likely."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from scipy import optimize
from torch import Tensor

from cotrain.affinity.surrogates.covariance import PARTS, Covariance
from cotrain.affinity.surrogates.gain_model import Floats
from cotrain.affinity.surrogates.observations import Observations, Points
from cotrain.seeding import derive

_EXPECTED = (0.3, 0.2, 0.3, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05, 0.02)
"""Prior medians of the variances of ``PARTS``, in their order, as shares of the variance of what was observed."""
_SCORE = 0.05
_NOISES = {"noise of a network": 0.05, "noise of a seed": 0.05, "noise of a task": 0.1, "noise of rows": 0.02}
"""What a training's losses share over its tasks, what a task's share over trainings of one seed, a training's own noise
in one task, and what differs from one part of the rows to another."""
_DOUBT = 1.0
"""Prior standard deviation of a log variance."""
_TASK_DOUBT = 0.5
"""Prior standard deviation of the logarithm of one task's scale of effects, and of noise."""
_LEVEL = 10.0
"""Prior variance of the level of a task alone, in units of the observed variance: it is known from data only."""
_JITTER = 1e-6
_MOST_POINTS = 800


class Solved(NamedTuple):
    """The observations' covariance, factorised, and its solution for what was observed."""

    factor: Tensor
    weights: Tensor


@dataclass(frozen=True, eq=False)
class Settings:
    """Strengths of all parts and noises; ``values`` is one array, as the optimiser sees it.

    Parameters
    ----------
    values
        Log variances of the parts, of the scores, of both noises; the logit of the dilution; the log scale of
        everything; each task's log scale of effects; each task's log scale of noise.
    tasks
        Number of tasks.
    """

    values: Floats
    tasks: int

    def strengths(self, scores: tuple[str, ...]) -> dict[str, float]:
        """Return the standard deviations of parts, scores and noises, by name."""
        names = (*PARTS, *scores, *_NOISES)
        scale = float(np.exp(self.values[len(names) + 1]))
        return {name: float(np.exp(value / 2)) * scale for name, value in zip(names, self.values, strict=False)}

    def covariance(self, parts: Covariance, rows: Points, columns: Points) -> Tensor:
        """Return the prior covariance of benefits."""
        return _Strengths(torch.from_numpy(self.values), self.tasks).covariance(parts, rows, columns)

    def noise(self, points: Points) -> Tensor:
        """Return the variance of one training's noise at every point."""
        strengths = _Strengths(torch.from_numpy(self.values), self.tasks)
        variance: Tensor = strengths.noise(points) + strengths.network_noise + strengths.seed_noise
        return variance

    def solve(self, observations: Observations, scores: Mapping[str, Floats]) -> Solved:
        """Return the observations' factorised covariance and weights."""
        points = observations.points
        strengths = _Strengths(torch.from_numpy(self.values), self.tasks)
        factor = torch.linalg.cholesky(strengths.observed(Covariance(points, points, scores), points))
        weights = torch.cholesky_solve(torch.from_numpy(observations.benefit)[:, None], factor)[:, 0]
        return Solved(factor, weights)


class _Strengths:
    """Named views of one vector of settings."""

    def __init__(self, values: Tensor, tasks: int) -> None:
        parts = len(values) - 2 * tasks - 2 - len(_NOISES)
        variances, rest = values[: parts + len(_NOISES)].exp(), values[parts + len(_NOISES) :]
        self._dilution, scale = torch.sigmoid(rest[0]), (2.0 * rest[1]).exp()
        self._variances, self._scale = variances[:parts] * scale, scale
        self.network_noise, self.seed_noise, self._own_noise, self._rows_noise = variances[parts:] * scale
        self._task_scale, self._task_noise = rest[2 : 2 + tasks].exp(), (2.0 * rest[2 + tasks :]).exp()

    def covariance(self, parts: Covariance, rows: Points, columns: Points) -> Tensor:
        total: Tensor = torch.einsum("p,prc->rc", self._variances, torch.stack(parts.parts(self._dilution)))
        return total * self._task_scale[rows.task][:, None] * self._task_scale[columns.task][None, :]

    def noise(self, points: Points) -> Tensor:
        variance: Tensor = self._own_noise * self._task_noise[points.task]
        return variance

    def observed(self, parts: Covariance, points: Points) -> Tensor:
        """Return the covariance of what is observed: benefits, the level of every task alone, noise."""
        scattered = self.noise(points)
        single = torch.diag(scattered * (self._rows_noise / self._own_noise) + _JITTER * self._scale)
        shared = self.network_noise * parts.same_network + self.seed_noise * parts.same_seed
        own = parts.same_training * scattered[:, None]
        level = parts.level * (_LEVEL * self._scale)
        observed: Tensor = self.covariance(parts, points, points) + level + shared + own + single
        return observed


def most_likely(observations: Observations, scores: Mapping[str, Floats], tasks: int, *, seed: int) -> Settings:
    """Return the settings of the largest posterior density, found from their prior medians by L-BFGS."""
    some = at_most(observations, _MOST_POINTS, seed)
    parts = Covariance(some.points, some.points, scores)
    median, doubt = _prior(observations, len(scores), tasks)
    benefit = torch.from_numpy(some.benefit)

    def loss(values: Floats) -> tuple[float, Floats]:
        given = torch.from_numpy(values).requires_grad_()
        factor = torch.linalg.cholesky(_Strengths(given, tasks).observed(parts, some.points))
        fit = benefit @ torch.cholesky_solve(benefit[:, None], factor)[:, 0] / 2
        total = fit + factor.diagonal().log().sum() + ((given - median) / doubt).square().sum() / 2
        total.backward()
        gradient = given.grad
        return float(total.detach()), np.zeros_like(values) if gradient is None else gradient.numpy()

    start, reach = median.numpy(), 4.0 * doubt.numpy()
    bounds = optimize.Bounds(start - reach, start + reach)
    found = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 60})
    return Settings(found.x, tasks)


def _prior(observations: Observations, scores: int, tasks: int) -> tuple[Tensor, Tensor]:
    """Return prior medians and standard deviations of all settings."""
    variances = [*_EXPECTED, *[_SCORE] * scores, *_NOISES.values()]
    company = observations.benefit[observations.points.partners.any(axis=1)]
    scale = float(np.sqrt(np.mean(company**2))) if len(company) else 0.0
    median = [*np.log(variances), 0.0, np.log(scale or 1.0), *[0.0] * (2 * tasks)]
    doubt = [*[_DOUBT] * len(variances), 1.5, 0.5, *[_TASK_DOUBT] * (2 * tasks)]
    return torch.tensor(median, dtype=torch.float64), torch.tensor(doubt, dtype=torch.float64)


def at_most(observations: Observations, most: int, seed: int) -> Observations:
    """Return some observations: those of networks drawn one after another, every task alone first."""
    points = observations.points
    if len(points) <= most:
        return observations
    rng = np.random.default_rng(derive(seed, "evidence"))
    networks = np.unique(points.network)
    company = np.bincount(points.network, points.partners.any(axis=1))[networks] > 0
    order = np.concatenate([networks[~company], rng.permutation(networks[company])])
    sizes = np.bincount(points.network)[order]
    chosen = np.isin(points.network, order[np.cumsum(sizes) <= most])
    index = np.flatnonzero(chosen)
    return Observations(points.at(index), observations.benefit[index], observations.is_logarithm)
