from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.training.problems import QUICK, identical, problem_for
from torch import Tensor, nn

from cotrain.errors import InputError
from cotrain.problem.options import TrainingOptions
from cotrain.problem.problem import Problem
from cotrain.problem.task import Task
from cotrain.training.balancing.bayes_agg import weighted_by_precision
from cotrain.training.balancing.posterior import HeadPosterior
from cotrain.training.trainer import Trainer

TASKS = (Task("a", "regression"), Task("b"))
BAYES = replace(QUICK, epochs=4, aggregation="bayes-agg")


def features(rows: int = 40, width: int = 3) -> Tensor:
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def posterior() -> tuple[HeadPosterior, Tensor, Tensor]:
    read = features()
    targets = torch.stack([read @ torch.tensor([1.0, -2.0, 0.5]).double() + 0.3, (read[:, 0] > 0).double()], dim=1)
    targets[:5, 0] = torch.nan
    known = HeadPosterior(TASKS, 3)
    known.observe(read, torch.zeros(40, 2), targets)
    known.update()
    return known, read, targets


def test_equal_precisions_give_the_plain_sum() -> None:
    gradients = torch.randn(6, 3, 4, generator=torch.Generator().manual_seed(1))
    weights = torch.tensor([0.5, 1.0, 2.0]).expand(6, 3).clone()
    weights[2, 1] = 0.0
    found = weighted_by_precision(gradients, torch.full_like(gradients, 0.7), weights)
    assert torch.allclose(found, (weights[..., None] * gradients).sum(dim=1), atol=1e-6)


def test_a_row_without_a_label_has_no_gradient() -> None:
    assert weighted_by_precision(torch.ones(1, 2, 3), torch.ones(1, 2, 3), torch.zeros(1, 2)).tolist() == [[0, 0, 0]]


def test_the_posterior_of_a_regression_is_ridge_regression() -> None:
    known, read, targets = posterior()
    design = torch.cat([read, torch.ones(40, 1)], dim=1)[5:]
    inverse = torch.linalg.inv(design.T @ design + torch.eye(4))
    assert torch.allclose(known.covariance[0], inverse)
    assert torch.allclose(known.mean[0], inverse @ design.T @ targets[5:, 0])


def test_gradients_under_the_posterior_agree_with_sampling() -> None:
    known, read, targets = posterior()
    mean, variance = known.gradients(read[5:8], targets[5:8])
    stream = torch.Generator().manual_seed(2)
    for task in range(2):
        factor = torch.linalg.cholesky(known.covariance[task])
        noise = torch.randn(400_000, 4, generator=stream, dtype=torch.float64)
        weights = known.mean[task] + noise @ factor.T
        for row in range(3):
            score = weights[:, :3] @ read[5 + row] + weights[:, 3]
            slope = 2 * (score - targets[5 + row, task]) if task == 0 else torch.sigmoid(score) - targets[5 + row, task]
            sampled = slope[:, None] * weights[:, :3]
            assert torch.allclose(sampled.mean(dim=0), mean[row, task], atol=0.01)
            assert torch.allclose(sampled.var(dim=0), variance[row, task], rtol=0.05)


def two_kinds(training: TrainingOptions = BAYES, *, missing: float = 0.3) -> Problem:
    return problem_for((*TASKS, Task("d")), missing=missing, training=training)


@pytest.mark.parametrize("missing", [0.0, 0.5])
def test_it_trains_and_repeats_itself(missing: float) -> None:
    problem = two_kinds(missing=missing)
    fit = Trainer(problem).fit(("a", "b", "d"))
    plain = Trainer(two_kinds(replace(BAYES, aggregation="mean"), missing=missing)).fit(("a", "b", "d"))
    assert np.isfinite(fit.curve).all()
    assert fit.curve[0] == pytest.approx(plain.curve[0], rel=1e-6)  # nothing is known in the first epoch
    assert fit.curve[-1] < fit.curve[0]
    assert fit.curve[-1] != plain.curve[-1]
    assert identical(fit, Trainer(problem).fit(("a", "b", "d")))


def test_its_knowledge_is_kept_with_the_fit(tmp_path: Path) -> None:
    fit = Trainer(two_kinds(), folder=tmp_path, checkpoint_seconds=0).fit(("a", "b"))
    assert identical(fit, Trainer(two_kinds()).fit(("a", "b")))


@pytest.mark.parametrize(
    ("training", "subset", "message"),
    [
        (BAYES, ("a", "c"), "Found others: c"),
        (replace(BAYES, weighting="dwa"), ("a", "b"), "`weighting` must be 'equal'"),
    ],
)
def test_what_it_does_not_know_is_refused(training: TrainingOptions, subset: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Trainer(problem_for(training=training)).fit(subset)


class _TwoLayerHeads(nn.Module):
    def __init__(self, tasks: int) -> None:
        super().__init__()
        self.trunk = nn.Linear(5, 4)
        self.heads = nn.ModuleList(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 1)) for _ in range(tasks))

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.cat([head(self.trunk(inputs)) for head in self.heads], dim=1)


def test_networks_without_linear_heads_are_refused() -> None:
    problem = replace(two_kinds(), build=lambda tasks: _TwoLayerHeads(len(tasks)))
    with pytest.raises(InputError, match="linear heads on one representation"):
        Trainer(problem).fit(("a", "b"))
