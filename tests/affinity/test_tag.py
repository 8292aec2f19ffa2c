"""TAG against its own formula, its limit, and the promise to leave no trace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cotrain.affinity.tag import TAG
from cotrain.affinity.watched.lookahead import Lookahead
from cotrain.errors import InputError
from cotrain.problem.losses import row_losses
from cotrain.problem.problem import Problem
from cotrain.problem.task import Task
from cotrain.training.callbacks import Callback, Step
from cotrain.training.run import Run
from cotrain.training.trainer import Trainer

from .families import FEATURES, QUICK, Member, member, problem_of

MEMBERS = (member("a1", 0), member("a2", 0), member("b", 1))
SUBSET = ("a1", "a2", "b")
SHARED = ("trunk.0.weight", "trunk.0.bias")
SHORT = replace(QUICK, epochs=3)


class Noisy(nn.Module):
    """Normalises by the batch, keeps running statistics and drops units at random."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(FEATURES, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3))
        self.heads = nn.ModuleDict({task.name: nn.Linear(8, task.width) for task in tasks})

    def forward(self, inputs: Tensor) -> dict[str, Tensor]:
        hidden = self.trunk(inputs)
        return {name: head(hidden) for name, head in self.heads.items()}


class Record(Callback):
    """Keeps all weights, running statistics and optimizer state as they were before every step."""

    def __init__(self) -> None:
        self.states: list[list[Tensor]] = []

    def before_step(self, step: Step) -> None:
        run = step.run
        memory = [part for own in run.optimizer.state.values() for part in own.values() if isinstance(part, Tensor)]
        gradients = [weight.grad for weight in run.network.parameters() if weight.grad is not None]
        parts = [*run.network.state_dict().values(), *memory, *gradients, torch.get_rng_state()]
        self.states.append([part.clone() for part in parts])


def _noisy(optimizer: Literal["adamw", "sgd"]) -> Problem:
    training = replace(SHORT, optimizer=optimizer)
    return replace(problem_of(MEMBERS, missing=0.2, training=training), build=Noisy)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("options", [{"order": "exact"}, {"order": "first"}, {"step": "optimizer"}], ids=str)
def test_training_that_is_watched_is_the_same_to_the_last_bit(
    optimizer: Literal["adamw", "sgd"], options: dict[str, Any]
) -> None:
    problem, plain, watched = _noisy(optimizer), Record(), Record()
    look = TAG(every=2, **options).lookahead(problem)
    alone = Trainer(problem).fit(SUBSET, callbacks=[plain])
    seen = Trainer(problem).fit(SUBSET, callbacks=[look, watched])
    assert len(plain.states) == alone.steps
    for one, other in zip(plain.states, watched.states, strict=True):
        assert len(one) == len(other)
        assert all(torch.equal(before, after) for before, after in zip(one, other, strict=True))
    np.testing.assert_array_equal(alone.curve, seen.curve)
    for name, value in alone.network.state_dict().items():
        assert torch.equal(value, seen.network.state_dict()[name])
    assert np.isfinite(look.affinity()[0]).all()


class ByHand(Callback):
    """The definition, written out on copies of the parameters of a plain network."""

    def __init__(self, rate: float) -> None:
        self.rate, self.seen = rate, list[NDArray[np.float64]]()

    def before_step(self, step: Step) -> None:
        before = self._losses(step, [])
        found = np.zeros((3, 3))
        for source in range(3):
            weights = [step.run.network.get_parameter(name) for name in SHARED]
            moves = [self.rate * part for part in torch.autograd.grad(self._losses(step, [])[source], weights)]
            after = self._losses(step, moves)
            for target in range(3):
                found[target, source] = 1 - (after[target] / before[target]).item()
        self.seen.append(found)

    def _losses(self, step: Step, moves: Sequence[Tensor]) -> Tensor:
        network = step.run.network
        weights = [network.get_parameter(name) for name in SHARED]
        with torch.no_grad():
            for weight, move in zip(weights, moves, strict=False):
                weight.sub_(move)
        outputs = network(step.batch.inputs)
        with torch.no_grad():
            for weight, move in zip(weights, moves, strict=False):
                weight.add_(move)
        losses = row_losses(step.data.tasks, outputs, step.batch.targets)
        return losses.sum(dim=0) / step.batch.observed.sum(dim=0)


def test_the_exact_order_is_the_definition_row_for_target_and_column_for_source() -> None:
    members = (*MEMBERS[:2], Member(Task("b", "regression"), 0))
    problem = problem_of(members, missing=0.2, training=replace(SHORT, epochs=1))
    exact, by_hand = Lookahead(SHARED, order="exact", rate=0.5, every=1), ByHand(0.5)
    Trainer(problem).fit(SUBSET, callbacks=[by_hand, exact])
    expected = np.mean(by_hand.seen, axis=0)
    np.testing.assert_allclose(exact.affinity()[0], expected, rtol=1e-3, atol=1e-5)
    assert np.abs(expected - expected.T).max() > 1e-3, "a transposed matrix would not be noticed"
    assert (exact.affinity()[1] == len(by_hand.seen)).all()


class InDoubles(nn.Module):
    """The plain network in double precision, where limits can be seen."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(FEATURES, 8), nn.Tanh()).double()
        self.heads = nn.Linear(8, len(tasks)).double()

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.heads(self.trunk(inputs.double())).float()
        return outputs


def _both(rate: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    problem = replace(problem_of(MEMBERS, training=replace(SHORT, epochs=1)), build=InDoubles)
    looks = [Lookahead(SHARED, order=order, rate=rate, every=1) for order in ("exact", "first")]
    Trainer(problem).fit(SUBSET, callbacks=looks)
    return looks[0].affinity()[0], looks[1].affinity()[0]


def test_the_first_order_is_the_limit_of_the_exact_one() -> None:
    errors = []
    for rate in (1.0, 0.25, 0.0625):
        exact, first = _both(rate)
        errors.append(np.abs(exact - first).max() / np.abs(first).max())
    assert errors[0] > 3 * errors[1] > 9 * errors[2]
    assert errors[2] < 0.02


def test_the_optimizers_step_without_memory_is_plain_descent() -> None:
    """The first step of SGD with momentum has no momentum yet, and weight decay moves all alike."""
    training = replace(QUICK, optimizer="sgd", weight_decay=0.0, batch_size=160, epochs=1)
    problem = problem_of(MEMBERS, training=training)
    looks = [TAG(every=1, step=step).lookahead(problem) for step in ("sgd", "optimizer")]
    Trainer(problem).fit(SUBSET, callbacks=looks)
    np.testing.assert_allclose(looks[0].affinity()[0], looks[1].affinity()[0], rtol=1e-4, atol=1e-7)


def test_momentum_does_not_shift_rows() -> None:
    """Whatever the optimizer would have done anyway is no merit of a source: a source without gradient gets zero."""
    problem = problem_of(MEMBERS, training=replace(SHORT, weight_decay=0.1))
    silent = tuple(
        replace(task, loss=lambda outputs, targets: 0 * outputs[:, 0] + 0 * targets + 1) if task.name == "b" else task
        for task in problem.tasks
    )
    look = TAG(every=1, step="optimizer").lookahead(problem)
    Trainer(replace(problem, tasks=silent)).fit(SUBSET, callbacks=[look])
    found, _ = look.affinity()
    np.testing.assert_allclose(found[:, 2], 0.0, atol=1e-6)
    assert np.abs(found[:2, :2]).max() > 1e-3


def test_looks_after_the_best_epoch_do_not_count() -> None:
    problem = problem_of(MEMBERS, training=replace(QUICK, learning_rate=0.1, epochs=40, patience=5))

    class Best(Callback):
        steps = 0

        def after_epoch(self, run: Run) -> None:
            self.steps = (run.history.best + 1) * 5

    look, best = TAG(every=1).lookahead(problem), Best()
    fit = Trainer(problem).fit(SUBSET, callbacks=[look, best])
    assert fit.converged
    assert (look.affinity()[1] == best.steps).all()
    assert best.steps < fit.steps


def test_seeds_give_standard_errors_and_cost_counts_looks() -> None:
    problem = problem_of(MEMBERS, training=SHORT)
    exact, first, one = (
        TAG(seeds=2, every=2).estimate(problem, Trainer(problem)),
        TAG(seeds=2, every=2, order="first").estimate(problem, Trainer(problem)),
        TAG(seeds=1, every=2).estimate(problem, Trainer(problem)),
    )
    training = sum(Trainer(problem).fit(SUBSET, seed=seed).cost.flops for seed in (0, 1))
    assert exact.cost.trainings == 2
    assert exact.cost.flops > first.cost.flops > training
    off = ~np.eye(3, dtype=bool)
    assert (exact.standard_error[off] > 0).all()
    assert np.isnan(one.standard_error[off]).all()
    assert not exact.matrix.diagonal().any()


def test_a_source_that_never_meets_a_target_is_unknown() -> None:
    problem = problem_of(MEMBERS, training=replace(SHORT, epochs=1))
    rows = problem.splits["train"]
    rows.targets[:, 2] = torch.nan
    rows.targets[0, 2] = 1.0
    found = TAG(seeds=1, every=1).estimate(problem, Trainer(problem))
    assert found.counts[0, 2] == found.counts[2, 0] == 1
    assert found.counts[0, 1] == 5


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"order": "second"}, "`order`"),
        ({"step": "adam"}, "`step`"),
        ({"every": 0}, "`every`"),
        ({"seeds": 0}, "`seeds`"),
        ({"learning_rate": -1.0}, "`learning_rate`"),
        ({"learning_rate": 0.1, "step": "optimizer"}, "`learning_rate`"),
    ],
)
def test_bad_parameters_are_refused(options: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        TAG(**options)
