"""Ways to train beyond the ordinary one are kept and resumed as it is."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import pytest
import torch
from torch import nn

from cotrain.problem.task import Task
from cotrain.training.callbacks import Callback
from cotrain.training.meta.meta_learning import MetaLearning
from cotrain.training.one_shot.dmtg import DifferentiableGrouping
from cotrain.training.one_shot.search import SearchOptions
from cotrain.training.run import Run
from cotrain.training.soft_sharing.cross_learning import CrossLearning
from cotrain.training.trainer import Trainer

from .interrupted import interrupted
from .problems import QUICK, identical, problem_for

SUBSET = ("a", "b", "c")
TASKS = tuple(Task(name, "regression") for name in SUBSET)
PROBLEM = problem_for(TASKS, missing=0.0, dropout=0.2, training=replace(QUICK, epochs=5, clip_norm=1.0))
SEARCH = SearchOptions(epochs=5, warmup=2, rate=0.3, sure=0.6)
Fitted: TypeAlias = Callable[[Trainer], nn.Module]

METHODS: dict[str, Fitted] = {
    "cross-learning": lambda trainer: CrossLearning(0.3).fit(trainer, SUBSET, seed=1).network,
    "one-shot": lambda trainer: DifferentiableGrouping(2, search=SEARCH).fit(trainer, SUBSET, seed=1).fit.network,
    "maml": lambda trainer: MetaLearning("maml", steps=6).fit(trainer, SUBSET, seed=1).network,
    "reptile": lambda trainer: MetaLearning("reptile", steps=6).fit(trainer, SUBSET, seed=1).network,
}
STOPS = [
    ("cross-learning", 4, "float16"),
    ("one-shot", 1, "float32"),
    ("one-shot", 4, "float16"),
    ("one-shot", 5, "float32"),
    ("one-shot", 7, "float32"),
    ("maml", 3, "float32"),
    ("reptile", 5, "bfloat16"),
]


def alike(one: nn.Module, other: nn.Module) -> bool:
    weights, others = one.state_dict(), other.state_dict()
    return weights.keys() == others.keys() and all(torch.equal(weights[name], others[name]) for name in weights)


@pytest.mark.parametrize(("method", "writings", "precision"), STOPS)
def test_a_resumed_training_ends_bit_identical(
    method: str, writings: int, precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = replace(PROBLEM, training=replace(PROBLEM.training, precision=precision))  # type: ignore[arg-type]
    with interrupted(monkeypatch, writings=writings):
        METHODS[method](Trainer(problem, folder=tmp_path, checkpoint_seconds=0))
    assert alike(METHODS[method](Trainer(problem, folder=tmp_path)), METHODS[method](Trainer(problem)))


class _NoTraining(Callback):
    def after_epoch(self, run: Run) -> None:
        raise AssertionError(f"epoch {len(run.history)} of {run.subset} was trained again")


@pytest.mark.parametrize("method", METHODS)
def test_what_was_finished_is_recalled(method: str, tmp_path: Path) -> None:
    fitted = METHODS[method](Trainer(PROBLEM, folder=tmp_path))
    assert alike(fitted, METHODS[method](Trainer(PROBLEM, folder=tmp_path, watchers=[_NoTraining()])))


def test_methods_and_their_parameters_have_files_of_their_own(tmp_path: Path) -> None:
    trainer = Trainer(PROBLEM, folder=tmp_path)
    plain = trainer.fit(SUBSET, seed=1)
    near, far = (CrossLearning(radius).fit(trainer, SUBSET, seed=1) for radius in (0.1, 0.3))
    assert not alike(near.network, far.network)
    assert identical(trainer.fit(SUBSET, seed=1), plain)
    assert identical(CrossLearning(0.1).fit(trainer, SUBSET, seed=1), near)


def test_a_recalled_search_has_cost_its_first_time(tmp_path: Path) -> None:
    method = DifferentiableGrouping(2, search=SEARCH)
    first, again = (method.fit(Trainer(PROBLEM, folder=tmp_path), SUBSET) for _ in range(2))
    assert (first.groups, first.fit.cost, first.fit.steps) == (again.groups, again.fit.cost, again.fit.steps)


class _Counted(Callback):
    def __init__(self) -> None:
        self.epochs: list[int] = []

    def after_epoch(self, run: Run) -> None:
        self.epochs.append(len(run.history))


@pytest.mark.parametrize("method", METHODS)
def test_watchers_hear_of_it_and_change_nothing(method: str) -> None:
    watcher = _Counted()
    assert alike(METHODS[method](Trainer(PROBLEM, watchers=[watcher])), METHODS[method](Trainer(PROBLEM)))
    assert watcher.epochs == list(range(1, len(watcher.epochs) + 1))
    assert watcher.epochs


def test_learning_rates_follow_the_schedule() -> None:
    rates: list[float] = []

    class Rates(Callback):
        def after_epoch(self, run: Run) -> None:
            rates.append(run.optimizer.param_groups[0]["lr"])

    problem = replace(PROBLEM, training=replace(PROBLEM.training, schedule="cosine"))
    MetaLearning(steps=10, rate=0.01).fit(Trainer(problem, watchers=[Rates()]), SUBSET)
    assert rates[4] == pytest.approx(0.005)
    assert rates[-1] == pytest.approx(0.0, abs=1e-9)
