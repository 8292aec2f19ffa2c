from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from cotrain.errors import DivergedError, InputError
from cotrain.problem.options import TrainingOptions
from cotrain.problem.problem import Problem
from cotrain.problem.rows import Rows
from cotrain.problem.task import Task
from cotrain.training.trainer import Trainer

from .problems import QUICK, identical, problem_for

ALL = ("a", "b", "c", "d")


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_a_seed_gives_one_network_and_leaves_random_state_alone(optimizer: str, dropout: float) -> None:
    options = replace(QUICK, optimizer=optimizer)  # type: ignore[arg-type]
    trainer = Trainer(problem_for(dropout=dropout, training=options))
    before = torch.get_rng_state()
    first, again, other = trainer.fit(ALL, seed=1), trainer.fit(ALL, seed=1), trainer.fit(ALL, seed=2)
    assert torch.equal(before, torch.get_rng_state())
    assert identical(first, again)
    assert not identical(first, other)


@settings(max_examples=5, deadline=None)
@given(st.permutations(ALL))
def test_the_order_of_tasks_does_not_matter(order: Sequence[str]) -> None:
    problem = problem_for()
    assert identical(Trainer(problem).fit(ALL), Trainer(problem.with_tasks(order)).fit(tuple(order)))


def test_the_best_epoch_is_kept_and_is_what_evaluation_finds() -> None:
    trainer = Trainer(problem_for(training=replace(QUICK, epochs=40, learning_rate=0.1)))
    fit = trainer.fit(ALL)
    assert fit.converged
    assert len(fit.curve) == fit.curve.argmin() + 1 + QUICK.patience
    assert fit.validation_loss.mean() == pytest.approx(fit.curve.min())
    np.testing.assert_allclose(trainer.evaluate(fit, "validation").loss, fit.validation_loss, rtol=1e-6)
    assert not fit.network.training


def test_training_that_runs_out_of_epochs_says_so() -> None:
    assert not Trainer(problem_for(training=replace(QUICK, epochs=2))).fit(ALL).converged


def test_training_learns() -> None:
    options = TrainingOptions(epochs=60, batch_size=16, learning_rate=0.01)
    trainer = Trainer(problem_for((Task("a", "regression"),), rows=200, missing=0.0, training=options))
    fit = trainer.fit(("a",))
    assert trainer.evaluate(fit, "test").metric[0] > 0.8


def test_a_task_with_one_row_trains() -> None:
    problem = problem_for(missing=0.0)
    rows = problem.splits["train"]
    targets = rows.targets.clone()
    targets[1:, 0] = float("nan")
    lonely = replace(problem, splits={**problem.splits, "train": Rows(rows.inputs, targets)})
    assert np.isfinite(Trainer(lonely).fit(("b",)).validation_loss).all()
    assert np.isfinite(Trainer(lonely).fit(("a", "b")).validation_loss).all()


def test_own_data_per_task_equals_shared_rows_with_missing_labels() -> None:
    problem = problem_for(missing=0.0, rows=40)
    own = {name: rows.take(torch.arange(len(rows))) for name, rows in problem.splits.items()}
    for rows in own.values():
        rows.targets[::2, :2] = float("nan")
        rows.targets[1::2, 2:] = float("nan")
    fit = Trainer(replace(problem, splits=own)).fit(("a", "b"))
    assert fit.steps == len(fit.curve) * 2  # twenty of the forty rows have a label of these tasks


def test_flops_follow_the_textbook() -> None:
    fit = Trainer(problem_for((Task("a"),), rows=32, missing=0.0)).fit(("a",))
    inner, outer = 2 * 5 * 8, 2 * 8 * 1
    step, forward = 2 * inner + 3 * outer, inner + outer  # the first layer passes nothing back to the inputs
    assert fit.cost.flops == len(fit.curve) * 32 * (step + forward)
    assert fit.cost.trainings == 1


def test_divergence_names_subset_and_epoch() -> None:
    problem = problem_for(training=replace(QUICK, optimizer="sgd", learning_rate=1e20))
    with pytest.raises(DivergedError, match="Training on a, b diverged: the loss is not finite in epoch"):
        Trainer(problem).fit(("a", "b"))


class Named(nn.Module):
    """Returns one tensor per task and reads named inputs; its batch normalisation refuses single rows."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.ReLU())
        self.heads = nn.ModuleDict({task.name: nn.Linear(4, task.width) for task in tasks})

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        hidden = self.trunk(inputs["x"])
        return {name: head(hidden) for name, head in self.heads.items()}


def test_any_module_with_named_inputs_and_outputs_trains() -> None:
    tasks = (
        Task("a"),
        Task("c", "multiclass", classes=3),
        Task("own", loss=lambda outputs, _: outputs.square().sum(1)),
    )
    plain = problem_for(tasks, rows=33)
    splits = {
        split: Rows({"x": rows.inputs}, rows.targets)
        for split, rows in plain.splits.items()
        if isinstance(rows.inputs, Tensor)
    }
    trainer = Trainer(Problem(tasks, splits, Named, QUICK))
    fit = trainer.fit(("a", "c", "own"))
    assert trainer.evaluate(fit, "test").loss.shape == (3,)


def test_a_task_without_validation_rows_does_not_decide_when_to_stop() -> None:
    problem = problem_for(missing=0.0)
    rows = problem.splits["validation"]
    targets = rows.targets.clone()
    targets[:, 0] = float("nan")
    fit = Trainer(replace(problem, splits={**problem.splits, "validation": Rows(rows.inputs, targets)})).fit(("a", "b"))
    assert np.isnan(fit.validation_loss).tolist() == [False, True]
    assert np.isfinite(fit.curve).all()


def test_large_splits_are_judged_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = Trainer(problem_for())
    fit = trainer.fit(ALL)
    whole = trainer.evaluate(fit, "test")
    monkeypatch.setattr("cotrain.training.evaluation.ROWS_AT_ONCE", 7)
    parts = trainer.evaluate(fit, "test")
    np.testing.assert_allclose(parts.loss, whole.loss, rtol=1e-5)
    np.testing.assert_allclose(parts.metric, whole.metric, rtol=1e-5)


def test_progress_hears_of_every_fit() -> None:
    heard: list[str] = []

    class Listener:
        def advance(self, description: str) -> None:
            heard.append(description)

    Trainer(problem_for(), progress=Listener()).fit(("b", "a"), seed=3)
    assert heard == ["trained a, b (seed 3)"]


def test_a_network_that_cannot_train_is_refused() -> None:
    frozen = replace(problem_for(), build=lambda _: nn.Linear(5, 1).requires_grad_(requires_grad=False))
    with pytest.raises(InputError, match="must have a parameter that trains"):
        Trainer(frozen).fit(("a",))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_trains_the_same(tmp_path: Path) -> None:
    problem, jobs = problem_for(training=replace(QUICK, epochs=3)), [(("a",), 0), (("a", "b", "c"), 1)]
    expected = [Trainer(problem).fit(subset, seed=seed) for subset, seed in jobs]
    on_gpu = Trainer(problem, device="cuda", folder=tmp_path)
    for fits in (on_gpu.fit_many(jobs), Trainer(problem, device="cuda").fit_many(jobs), on_gpu.fit_many(jobs)):
        for one, other in zip(fits, expected, strict=True):
            np.testing.assert_allclose(one.curve, other.curve, rtol=1e-3)
            assert next(one.network.parameters()).is_cuda
