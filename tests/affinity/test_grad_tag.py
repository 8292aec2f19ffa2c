"""Grad-TAG where the truth is known: linear networks, converged bases, planted families."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from torch import Tensor, nn

from cotrain.affinity.grad_tag import GradTAG
from cotrain.affinity.linear.linearised import forward_losses, linearise
from cotrain.cost import Cost
from cotrain.errors import InputError
from cotrain.models.mlp import SharedMLP
from cotrain.problem.losses import row_losses
from cotrain.problem.options import NetworkOptions, TrainingOptions
from cotrain.problem.problem import SPLITS, Problem
from cotrain.problem.rows import Rows
from cotrain.problem.task import Task
from cotrain.training.fit import Fit
from cotrain.training.trainer import Trainer

TASKS = (Task("a"), Task("b"), Task("c", "regression"), Task("d", "regression"))


class OneLine(nn.Module):
    """All tasks share one linear function: whatever helps one moves all."""

    def __init__(self, features: int, tasks: Sequence[Task]) -> None:
        super().__init__()
        self.line = nn.Linear(features, 1, bias=False)
        self.width = len(tasks)

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.line(inputs)
        return outputs.expand(-1, self.width)


def _problem(tasks: Sequence[Task] = TASKS, *, seed: int = 0, rows: int = 60, features: int = 3) -> Problem:
    rng = torch.Generator().manual_seed(seed)
    splits = {}
    for split in SPLITS:
        inputs = torch.randn(rows, features, generator=rng)
        signal = inputs @ torch.linspace(-1, 1, features) + torch.randn(rows, len(tasks), generator=rng).T
        noisy = signal.T
        binary = torch.tensor([task.kind == "binary" for task in tasks])
        targets = torch.where(binary, (noisy > 0).float(), noisy)
        targets[torch.rand(targets.shape, generator=rng) < 0.2] = torch.nan
        splits[split] = Rows(inputs, targets)
    return Problem(
        tuple(tasks),
        splits,
        lambda members: OneLine(features, members),
        TrainingOptions(epochs=3, batch_size=32),
    )


def _mean_loss(problem: Problem, weight: np.ndarray, subset: Sequence[str], split: str = "train") -> np.ndarray:
    members = problem.tasks_of(problem.subset(subset))
    rows = problem.rows_of(problem.subset(subset), "train" if split == "train" else "validation")
    assert isinstance(rows.inputs, Tensor)
    outputs = (rows.inputs.double() @ torch.from_numpy(weight))[:, None].expand(-1, len(members))
    losses = row_losses(members, outputs, rows.targets.double())
    return (losses.sum(dim=0) / rows.observed.sum(dim=0)).numpy()


def _refit(problem: Problem, subset: Sequence[str], around: np.ndarray, ridge: float) -> np.ndarray:
    def objective(weight: np.ndarray) -> float:
        return float(_mean_loss(problem, weight, subset).mean() + ridge / 2 * np.sum((weight - around) ** 2))

    return minimize(objective, around, method="BFGS", options={"gtol": 1e-10}).x


def _base(problem: Problem, weight: np.ndarray) -> Fit:
    network = problem.build(problem.tasks_of(problem.subset(problem.names)))
    with torch.no_grad():
        next(network.parameters()).copy_(torch.from_numpy(weight)[None])
    unknown = np.full(len(problem.tasks), np.nan)
    return Fit(problem.subset(problem.names), 0, network, unknown, unknown, 0, converged=True, cost=Cost())


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1000))
@example(seed=371)
def test_on_a_linear_network_the_estimate_is_the_true_refit(seed: int) -> None:
    problem = _problem(seed=seed)
    start = np.random.default_rng(seed).standard_normal(3)
    model = linearise(problem, _base(problem, start), kind="identity", dim=3, seed=0)
    mask = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [1, 1, 0, 0], [1, 0, 1, 1], [1, 1, 1, 1], [0, 0, 0, 0]], dtype=bool)
    updates = model.updates(mask, 1e-9, corrections=25)
    estimated = model.losses(updates)
    for row, losses in zip(mask[:-1], estimated[:-1], strict=True):
        subset = [name for name, inside in zip(problem.names, row, strict=True) if inside]
        truth = _mean_loss(problem, _refit(problem, subset, start, 0.0), problem.names, "validation")
        np.testing.assert_allclose(losses, truth, rtol=1e-5, atol=1e-5)
    assert not updates[-1].any()
    np.testing.assert_allclose(estimated[-1], _mean_loss(problem, start, problem.names, "validation"), atol=1e-6)


def test_refitting_all_tasks_leaves_a_converged_base_where_it_is() -> None:
    problem = _problem()
    optimum = _refit(problem, problem.names, np.zeros(3), 0.0)
    model = linearise(problem, _base(problem, optimum), kind="identity", dim=3, seed=0)
    everything = np.ones((1, 4), dtype=bool)
    assert model.updates(everything, 1e-6).norm() < 1e-5
    np.testing.assert_allclose(
        model.losses(model.updates(everything, 1e-6))[0],
        _mean_loss(problem, optimum, problem.names, "validation"),
        atol=1e-6,
    )


def test_forward_and_linear_losses_agree_on_a_linear_network() -> None:
    problem = _problem()
    base = _base(problem, np.zeros(3))
    model = linearise(problem, base, kind="identity", dim=3, seed=0)
    updates = model.updates(np.eye(4, dtype=bool), 0.1)
    forward = forward_losses(Trainer(problem), base, [model.basis.lift(update) for update in updates])
    np.testing.assert_allclose(forward, model.losses(updates), atol=1e-6)
    assert not next(base.network.parameters()).any(), "the base itself must stay where it is"


def _family_problem(names: Sequence[str], *, rows: int = 240, seed: int = 0) -> Problem:
    """Two families: x, y, z follow one direction (y its negation), p and q another; few rows, much noise."""
    rng = torch.Generator().manual_seed(seed)
    directions = torch.linalg.qr(torch.randn(12, 2, generator=rng))[0]
    signs = {"x": (0, 1.0), "y": (0, -1.0), "z": (0, 1.0), "p": (1, 1.0), "q": (1, 1.0)}
    splits = {}
    for split in SPLITS:
        inputs = torch.randn(rows, 12, generator=rng)
        columns = {}
        for name, (family, sign) in signs.items():
            noise = torch.randn(rows, generator=rng)
            columns[name] = (sign * 2 * torch.relu(inputs @ directions[:, family]) - 1 * sign + noise > 0).float()
        splits[split] = Rows(inputs, torch.stack([columns[name] for name in names], dim=1))
    return Problem(
        tuple(Task(name) for name in names),
        splits,
        lambda members: SharedMLP(12, members, NetworkOptions(hidden=(16,))),
        TrainingOptions(epochs=30, batch_size=32, patience=5),
    )


def test_permuting_the_tasks_permutes_the_affinity() -> None:
    names, order = ["x", "y", "z", "p", "q"], ["q", "x", "p", "z", "y"]
    estimator = GradTAG(bases=2, projection_dim=40)
    affinities = []
    for tasks in (names, order):
        problem = _family_problem(tasks)
        affinities.append(estimator.estimate(problem, Trainer(problem)))
    plain, permuted = affinities[0].with_tasks(order), affinities[1]
    np.testing.assert_allclose(plain.matrix, permuted.matrix, atol=2e-5)
    np.testing.assert_allclose(plain.standard_error, permuted.standard_error, atol=2e-4)


def test_the_estimate_carries_what_it_rests_on() -> None:
    problem = _family_problem(["x", "y", "p"])
    affinity = GradTAG(bases=2, projection_dim=20).estimate(problem, Trainer(problem), seed=3)
    assert affinity.subset_losses is not None
    assert set(affinity.subset_losses.sizes) == {1, 2, 3}
    assert set(affinity.subset_losses.source) == {"estimated"}
    assert (affinity.matrix.diagonal() == 0).all()
    assert np.isfinite(affinity.standard_error).all()
    assert affinity.cost.trainings == 2
    assert affinity.cost.flops > 0
    assert "KDD" in affinity.citation


def test_forward_evaluation_and_pairwise_order_run() -> None:
    problem = _family_problem(["x", "y", "p"])
    affinity = GradTAG(bases=1, projection_dim=20, order="pairwise", evaluation="forward").estimate(
        problem, Trainer(problem)
    )
    assert np.isfinite(affinity.matrix).all()
    assert (affinity.counts[~np.eye(3, dtype=bool)] == 1).all()


@pytest.mark.parametrize("tasks", [["x"], ["x", "p"]])
def test_one_and_two_tasks(tasks: list[str]) -> None:
    problem = _family_problem(tasks)
    affinity = GradTAG(bases=1, projection_dim=20).estimate(problem, Trainer(problem))
    assert affinity.matrix.shape == (len(tasks), len(tasks))


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"bases": 0}, "`bases`"),
        ({"projection_dim": 0}, "`projection_dim`"),
        ({"basis": "nearest"}, "`basis`"),
        ({"order": "third"}, "`order`"),
        ({"evaluation": "guess"}, "`evaluation`"),
        ({"strength": -1.0}, "`strength`"),
        ({"subset_size": 1}, "`subset_size`"),
    ],
)
def test_bad_parameters_are_refused(options: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        replace(GradTAG(), **options)


def test_one_newton_step_is_exact_for_square_losses_and_close_for_others() -> None:
    tasks = (Task("c", "regression"), Task("d", "regression"), Task("e", "regression"))
    problem = _problem(tasks)
    full, one = (GradTAG(bases=1, strength=0.1, corrections=steps) for steps in (6, 0))
    found = full.estimate(problem, Trainer(problem)), one.estimate(problem, Trainer(problem))
    np.testing.assert_allclose(found[1].matrix, found[0].matrix, atol=1e-5)
    mixed = _problem()
    found = full.estimate(mixed, Trainer(mixed)), one.estimate(mixed, Trainer(mixed))
    assert np.corrcoef(found[1].matrix.ravel(), found[0].matrix.ravel())[0, 1] > 0.9


def test_an_early_base_trains_fewer_epochs() -> None:
    problem = _problem()
    early = GradTAG(bases=1, strength=0.1, base_share=0.01).estimate(problem, Trainer(problem))
    late = GradTAG(bases=1, strength=0.1).estimate(problem, Trainer(problem))
    assert early.cost.flops < late.cost.flops
    assert not np.allclose(early.matrix, late.matrix)


@pytest.mark.parametrize("options", [{"corrections": -1}, {"base_share": 0.0}, {"base_share": 1.5}])
def test_bad_fits_and_bases_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        GradTAG(**options)
