"""The strengths of a Gaussian process's parts and noises: one vector for the optimiser, named for everybody else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from cotrain.affinity.surrogates.covariance import PARTS, Covariance
from cotrain.affinity.surrogates.gain_model import Floats
from cotrain.affinity.surrogates.observations import Observations, Points

NOISES = ("noise of a network", "noise of a seed", "noise of a task", "noise of rows")
"""What a training's losses share over its tasks, what a task's share over trainings of one seed, a training's own noise
in one task, and what differs from one part of the rows to another."""
_LEVEL = 10.0
"""Prior variance of the level of a task alone, in units of the observed variance: it is known from data only."""
_JITTER = 1e-6


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
        Log variances of the parts, of the scores, of ``NOISES``; the logit of the dilution; the log scale of
        everything; each task's log scale of effects; each task's log scale of noise.
    tasks
        Number of tasks.
    """

    values: Floats
    tasks: int

    def strengths(self, scores: tuple[str, ...]) -> dict[str, float]:
        """Return the standard deviations of parts, scores and noises, by name."""
        names = (*PARTS, *scores, *NOISES)
        scale = float(np.exp(self.values[len(names) + 1]))
        return {name: float(np.exp(value / 2)) * scale for name, value in zip(names, self.values, strict=False)}

    def covariance(self, parts: Covariance, rows: Points, columns: Points) -> Tensor:
        """Return the prior covariance of benefits."""
        return Strengths(torch.from_numpy(self.values), self.tasks).covariance(parts, rows, columns)

    def noise(self, points: Points) -> Tensor:
        """Return the variance of one training's noise at every point."""
        strengths = Strengths(torch.from_numpy(self.values), self.tasks)
        variance: Tensor = strengths.noise(points) + strengths.network_noise + strengths.seed_noise
        return variance

    def solve(self, observations: Observations, scores: Mapping[str, Floats]) -> Solved:
        """Return the observations' factorised covariance and weights."""
        points = observations.points
        strengths = Strengths(torch.from_numpy(self.values), self.tasks)
        factor = torch.linalg.cholesky(strengths.observed(Covariance(points, points, scores), points))
        weights = torch.cholesky_solve(torch.from_numpy(observations.benefit)[:, None], factor)[:, 0]
        return Solved(factor, weights)


class Strengths:
    """Named views of one vector of settings."""

    def __init__(self, values: Tensor, tasks: int) -> None:
        parts = len(values) - 2 * tasks - 2 - len(NOISES)
        variances, rest = values[: parts + len(NOISES)].exp(), values[parts + len(NOISES) :]
        self._dilution, scale = torch.sigmoid(rest[0]), (2.0 * rest[1]).exp()
        self._variances, self._scale = variances[:parts] * scale, scale
        self.network_noise, self.seed_noise, self._own_noise, self._rows_noise = variances[parts:] * scale
        self._task_scale, self._task_noise = rest[2 : 2 + tasks].exp(), (2.0 * rest[2 + tasks :]).exp()

    def covariance(self, parts: Covariance, rows: Points, columns: Points) -> Tensor:
        """Return the prior covariance of benefits."""
        total: Tensor = torch.einsum("p,prc->rc", self._variances, torch.stack(parts.parts(self._dilution)))
        return total * self._task_scale[rows.task][:, None] * self._task_scale[columns.task][None, :]

    def noise(self, points: Points) -> Tensor:
        """Return the variance of what one training of one task adds."""
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
