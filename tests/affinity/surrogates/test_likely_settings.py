"""Draws of strengths that few networks leave possible."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.affinity.surrogates.planted import additive, blocks, by_size, design, table

from cotrain.affinity.surrogates import GainProcess
from cotrain.affinity.surrogates.covariance import Covariance
from cotrain.affinity.surrogates.evidence import prior
from cotrain.affinity.surrogates.likely_settings import likely_settings
from cotrain.affinity.surrogates.observations import Points
from cotrain.affinity.surrogates.posterior import Posterior
from cotrain.affinity.surrogates.settings import Strengths


def fitted(larger: int) -> GainProcess:
    mask = design(5, larger=larger)
    return GainProcess.fit(table(mask, additive(mask, blocks(5, 0.1)), noise=0.02))


def drawn(model: GainProcess) -> np.ndarray:
    settings = likely_settings(model.settings, model.observations, model.scores, model.tasks)
    return np.array([one.values for one in settings])


def test_draws_lie_around_the_best_and_closer_the_more_was_observed() -> None:
    few, many = fitted(3), fitted(26)
    for model in (few, many):
        np.testing.assert_allclose(drawn(model).mean(axis=0), model.settings.values, atol=1e-12)
    doubt = prior(few.observations, 0, 5)[1].numpy()
    spread = [(drawn(model) - model.settings.values) / doubt for model in (few, many)]
    assert np.square(spread[1]).sum() < 0.8 * np.square(spread[0]).sum()
    assert np.abs(spread[0]).max() < 4.0


def test_the_information_is_that_of_random_observations() -> None:
    """Fisher's information is the covariance of the score; here over observations drawn from the process."""
    model = fitted(4)
    points, values = model.observations.points, torch.from_numpy(model.settings.values)
    parts = Covariance(points, points, {})
    given = values.clone().requires_grad_()
    observed = Strengths(given, 5).observed(parts, points)
    factor = torch.linalg.cholesky(observed)
    noise = torch.randn(len(points), 300, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    scores = []
    for sample in (factor.detach() @ noise).T:
        half = torch.linalg.solve_triangular(factor, sample[:, None], upper=False)
        likelihood = -half.square().sum() / 2 - factor.diagonal().log().sum()
        (gradient,) = torch.autograd.grad(likelihood, given, retain_graph=True)
        scores.append(gradient)
    told = torch.stack(scores).T @ torch.stack(scores) / len(scores)
    doubt = prior(model.observations, 0, 5)[1]
    steps = torch.from_numpy(drawn(model)) - values
    precision = told + doubt.square().reciprocal().diag()
    length = torch.einsum("di,ij,dj->d", steps, precision, steps)
    assert float(length.mean()) == pytest.approx(len(values), rel=0.4)


def test_the_posterior_covariance_has_the_variance_on_its_diagonal() -> None:
    mask = design(5, larger=8)
    model = GainProcess.fit(table(mask, by_size(mask, 0.2), noise=0.02))
    points = Points.of(mask)
    posterior = Posterior(model.settings, model.observations, model.scores)
    diagonal = posterior.covariance(points).diagonal().clamp_min(0).numpy()
    np.testing.assert_allclose(posterior.moments(points)[1], diagonal, rtol=1e-6, atol=1e-9)
