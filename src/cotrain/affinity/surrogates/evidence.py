"""The strengths of a Gaussian process's parts: those that make what was observed most likely."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from scipy import optimize
from torch import Tensor

from cotrain.affinity.surrogates.covariance import Covariance
from cotrain.affinity.surrogates.gain_model import Floats
from cotrain.affinity.surrogates.observations import Observations
from cotrain.affinity.surrogates.settings import Settings, Strengths
from cotrain.seeding import derive

_EXPECTED = (0.3, 0.2, 0.3, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05, 0.02)
"""Prior medians of the variances of ``PARTS``, in their order, as shares of the variance of what was observed."""
_SCORE = 0.05
_EXPECTED_NOISES = (0.05, 0.05, 0.1, 0.02)
"""The same for ``NOISES``."""
_DOUBT = 1.0
"""Prior standard deviation of a log variance."""
_TASK_DOUBT = 0.5
"""Prior standard deviation of the logarithm of one task's scale of effects, and of noise."""
_MOST_POINTS = 800


def most_likely(observations: Observations, scores: Mapping[str, Floats], tasks: int, *, seed: int) -> Settings:
    """Return the settings of the largest posterior density, found from their prior medians by L-BFGS."""
    some = at_most(observations, _MOST_POINTS, seed)
    parts = Covariance(some.points, some.points, scores)
    median, doubt = prior(observations, len(scores), tasks)
    benefit = torch.from_numpy(some.benefit)

    def loss(values: Floats) -> tuple[float, Floats]:
        given = torch.from_numpy(values).requires_grad_()
        factor = torch.linalg.cholesky(Strengths(given, tasks).observed(parts, some.points))
        fit = benefit @ torch.cholesky_solve(benefit[:, None], factor)[:, 0] / 2
        total = fit + factor.diagonal().log().sum() + ((given - median) / doubt).square().sum() / 2
        total.backward()
        gradient = given.grad
        return float(total.detach()), np.zeros_like(values) if gradient is None else gradient.numpy()

    start, reach = median.numpy(), 4.0 * doubt.numpy()
    bounds = optimize.Bounds(start - reach, start + reach)
    found = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 60})
    return Settings(found.x, tasks)


def prior(observations: Observations, scores: int, tasks: int) -> tuple[Tensor, Tensor]:
    """Return prior medians and standard deviations of all settings."""
    variances = [*_EXPECTED, *[_SCORE] * scores, *_EXPECTED_NOISES]
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
