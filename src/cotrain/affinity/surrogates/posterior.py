"""What a Gaussian process with given settings says of benefits, after what was observed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from cotrain.affinity.surrogates.covariance import Covariance
from cotrain.affinity.surrogates.gain_model import Floats
from cotrain.affinity.surrogates.observations import Observations, Points
from cotrain.affinity.surrogates.settings import Settings

_POINTS_AT_ONCE = 2048


@dataclass(frozen=True, eq=False)
class Posterior:
    """Benefits given what was observed, if the settings are right.

    Parameters
    ----------
    settings
        Strengths of all parts.
    observations
        What was observed.
    scores
        Matrices ``(tasks, tasks)`` of cheap affinities, by name.
    """

    settings: Settings
    observations: Observations
    scores: Mapping[str, Floats]

    def moments(self, points: Points) -> tuple[Floats, Floats]:
        """Return means and variances of benefits on other rows, as many as were observed in all."""
        solved = self.settings.solve(self.observations, self.scores)
        mean, variance = np.zeros(len(points)), np.zeros(len(points))
        for start in range(0, len(points), _POINTS_AT_ONCE):
            part = slice(start, start + _POINTS_AT_ONCE)
            cross = self._prior(points.at(part), self.observations.points)
            mean[part] = (cross @ solved.weights).numpy()
            known = torch.linalg.solve_triangular(solved.factor, cross.T, upper=False).square().sum(dim=0)
            variance[part] = (self._variance(points.at(part)) - known).clamp_min(0.0).numpy()
        return mean, variance

    def covariance(self, points: Points) -> Tensor:
        """Return the covariance of benefits ``(points, points)``."""
        cross = self._prior(points, self.observations.points)
        factor = self.settings.solve(self.observations, self.scores).factor
        half = torch.linalg.solve_triangular(factor, cross.T, upper=False)
        left: Tensor = self._prior(points, points) - half.T @ half
        return left

    def _prior(self, rows: Points, columns: Points) -> Tensor:
        return self.settings.covariance(Covariance(rows, columns, self.scores), rows, columns)

    def _variance(self, points: Points) -> Tensor:
        """Return prior variances on average over as many other rows as were observed in all."""
        parts = int(self.observations.points.rows.max()) + 1
        general = self._variances(points)
        if not parts:
            return general
        elsewhere = self._variances(replace(points, rows=np.full(len(points), parts)))
        return general + (elsewhere - general) / parts

    def _variances(self, points: Points) -> Tensor:
        few = [points.at(slice(start, start + 128)) for start in range(0, len(points), 128)]
        return torch.cat([self._prior(part, part).diagonal() for part in few])
