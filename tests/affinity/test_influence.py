"""Influence against derivatives taken by finite differences, and against what rows were planted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.affinity.families import member, problem_of
from torch import Tensor

from cotrain.affinity.influence import Influence
from cotrain.affinity.linear.linear_rows import linear_losses
from cotrain.affinity.linear.one_step import Around, OneStep
from cotrain.affinity.linear.subset_objective import SubsetObjective
from cotrain.errors import InputError
from cotrain.gradients.task_gradients import LinearLoss, TaskGradients
from cotrain.problem.rows import Rows
from cotrain.training.trainer import Trainer

LOSSES: tuple[LinearLoss, ...] = ("logistic", "square", "logistic")
WIDTH = 4


def _rows(seed: int, count: int) -> dict[str, TaskGradients]:
    stream = torch.Generator().manual_seed(seed)

    def draw(loss: LinearLoss, more: int) -> TaskGradients:
        features = torch.randn(count + more, WIDTH, generator=stream, dtype=torch.float64)
        offset = torch.randn(count + more, generator=stream, dtype=torch.float64)
        return TaskGradients(features, offset, torch.arange(count + more), loss)

    return {f"t{number}": draw(loss, number) for number, loss in enumerate(LOSSES)}


def _fitted_loss(model: OneStep, weights: Tensor, target: int) -> float:
    """Return the target's validation loss after the one-step fit of weighted tasks, by the library's own solver."""
    mask = torch.ones(1, len(LOSSES), dtype=torch.bool)
    objective = SubsetObjective(model.train, model.statistics, mask, weights[None], model.ridge)
    start = objective.start()
    step = start.coefficients - torch.cholesky_solve(start.gradient[:, :, None], objective.factor())[:, :, 0]
    return float(linear_losses(model.validation, step)[0, target])


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), around=st.sampled_from(["alone", "all"]))
def test_influence_is_the_derivative_of_the_one_step_fit(seed: int, around: Around) -> None:
    model = OneStep.of(_rows(seed, 12), _rows(seed + 1, 9), strength=0.1)
    tasks, step = len(LOSSES), 1e-5
    derivative = np.zeros((tasks, tasks))
    for target in range(tasks):
        weights = torch.eye(tasks).double()[target] if around == "alone" else torch.full((tasks,), 1 / tasks).double()
        for source in range(tasks):
            moved = [(1 - share) * weights + share * torch.eye(tasks).double()[source] for share in (-step, step)]
            below, above = (np.log(_fitted_loss(model, mixture, target)) for mixture in moved)
            derivative[target, source] = -(above - below) / (2 * step)
    np.testing.assert_allclose(model.influences(around).numpy(), derivative, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("around", ["alone", "all"])
def test_the_influences_of_rows_add_up(around: Around) -> None:
    model = OneStep.of(_rows(0, 12), _rows(1, 9), strength=0.1)
    total = model.influences(around)
    for target in range(3):
        for source in range(3):
            rows = model.row_influences(f"t{source}", f"t{target}", around)
            assert rows.sum().item() == pytest.approx(total[target, source].item(), abs=1e-10)


def test_alone_a_task_does_nothing_to_itself() -> None:
    assert OneStep.of(_rows(0, 12), _rows(1, 9), strength=0.1).influences("alone").diagonal().abs().max() < 1e-12


def test_partners_of_the_family_help_more_than_strangers() -> None:
    names = ["x", "y", "p", "q"]
    problem = problem_of([member(name, int(name in "pq")) for name in names], rows=400)
    found = Influence(bases=2, projection_dim=60).estimate(problem, Trainer(problem)).matrix
    family = np.array([[(one in "pq") == (other in "pq") for other in names] for one in names])
    assert found[family & ~np.eye(4, dtype=bool)].mean() > found[~family].mean()


def test_the_most_harmful_rows_are_those_with_the_wrong_label() -> None:
    problem = problem_of([member("x", 0), member("y", 0, twin="x")], rows=200)
    train = problem.splits["train"]
    wrong = torch.randperm(200, generator=torch.Generator().manual_seed(0))[:20]
    targets = train.targets.clone()
    targets[wrong, 1] = 1 - targets[wrong, 1]
    spoilt = replace(problem, splits={**problem.splits, "train": Rows(train.inputs, targets)})
    rows = Influence(bases=1).rows(spoilt, Trainer(spoilt), source="y", target="x")
    assert len(rows) == 200
    assert rows["influence"].is_monotonic_increasing
    share = np.isin(rows["row"], wrong.numpy())
    assert share[:40].mean() > 2 * share.mean()
    assert rows["influence"][share].mean() < rows["influence"][~share].mean()
    np.testing.assert_array_equal(rows["label"], targets[:, 1].numpy()[rows["row"]])


def test_unknown_tasks_are_refused_before_training() -> None:
    problem = problem_of([member("x", 0), member("y", 0)])
    with pytest.raises(InputError, match=r"`target`.*Did you mean 'x'"):
        Influence().rows(problem, Trainer(problem), source="y", target="xx")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"bases": 0}, "`bases`"),
        ({"projection_dim": 0}, "`projection_dim`"),
        ({"around": "half"}, "`around`"),
        ({"basis": "nearest"}, "`basis`"),
        ({"strength": -1.0}, "`strength`"),
    ],
)
def test_bad_parameters_are_refused(options: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        Influence(**options)
