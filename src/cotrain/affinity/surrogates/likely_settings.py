"""Settings nearly as likely as the best: what so few networks leave open about a process's strengths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from cotrain.affinity.surrogates.covariance import Covariance
from cotrain.affinity.surrogates.evidence import at_most, prior
from cotrain.affinity.surrogates.gain_model import Floats
from cotrain.affinity.surrogates.observations import Observations
from cotrain.affinity.surrogates.settings import Settings, Strengths
from cotrain.seeding import derive

_OPPOSITES = 2
_MOST_POINTS = 400


def likely_settings(
    best: Settings, observations: Observations, scores: Mapping[str, Floats], tasks: Sequence[str]
) -> list[Settings]:
    r"""Return draws from Laplace's approximation of the posterior density of the settings, in pairs of opposites.

    With covariance :math:`K` of the observations and the prior's precision :math:`D^{-2}` the precision is that of
    Fisher's information, :math:`\tfrac12 \operatorname{tr}(K^{-1} \partial_a K \, K^{-1} \partial_b K) + D^{-2}`. The
    order of tasks does not matter. Cost: two triangular solves per setting, with at most 400 observations.

    Parameters
    ----------
    best
        Around which to draw.
    observations, scores
        What the settings were learned from.
    tasks
        Names, which decide what is drawn for each.
    """
    precision = _information(best, at_most(observations, _MOST_POINTS, 0), scores)
    precision += prior(observations, len(scores), len(tasks))[1].square().reciprocal().diag()
    eigenvalues, vectors = torch.linalg.eigh(precision)
    drawn = _standard_normal(len(best.values), tasks)
    step = ((drawn @ vectors) * eigenvalues.rsqrt()) @ vectors.T
    return [Settings(best.values + values, best.tasks) for values in torch.cat([step, -step]).numpy()]


def _information(best: Settings, some: Observations, scores: Mapping[str, Floats]) -> Tensor:
    """Return Fisher's information about all settings."""
    parts, values = Covariance(some.points, some.points, scores), torch.from_numpy(best.values)

    def observed(given: Tensor) -> Tensor:
        return Strengths(given, best.tasks).observed(parts, some.points)

    factor = torch.linalg.cholesky(observed(values))
    whitened = []
    for direction in torch.eye(len(values), dtype=torch.float64):
        half = torch.linalg.solve_triangular(factor, torch.func.jvp(observed, (values,), (direction,))[1], upper=False)
        whitened.append(torch.linalg.solve_triangular(factor, half.T, upper=False).flatten())
    stacked = torch.stack(whitened)
    return stacked @ stacked.T / 2


def _standard_normal(settings: int, tasks: Sequence[str]) -> Tensor:
    """Return numbers ``(_OPPOSITES, settings)``, those of a task by its name."""
    own = np.stack([_drawn(2, task) for task in tasks], axis=2)
    shared = _drawn(settings - 2 * len(tasks))
    return torch.from_numpy(np.concatenate([shared, own.reshape(_OPPOSITES, -1)], axis=1))


def _drawn(count: int, *name: str) -> Floats:
    return np.random.default_rng(derive(0, "likely settings", *name)).standard_normal((_OPPOSITES, count))
