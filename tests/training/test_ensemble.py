import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cotrain.errors import DivergedError, InputError
from cotrain.models.mlp import SharedMLP
from cotrain.problem.losses import Outputs
from cotrain.problem.options import NetworkOptions
from cotrain.problem.problem import Problem
from cotrain.problem.rows import Rows
from cotrain.problem.task import Task
from cotrain.training.ensemble_plan import EnsemblePlan, plan_ensembles
from cotrain.training.fit import Fit
from cotrain.training.ledger import Ledger
from cotrain.training.trainer import Trainer

from .damage import DAMAGES
from .problems import MIXED, QUICK, identical, problem_for

NAMES = ("a", "b", "c", "d")
SUBSETS = [subset for size in (1, 2, 3, 4) for subset in itertools.combinations(NAMES, size)]
JOBS = [(subset, number % 2) for number, subset in enumerate(SUBSETS)]
CPU = torch.device("cpu")


def alone(problem: Problem, jobs: Sequence[tuple[tuple[str, ...], int]]) -> list[Fit]:
    trainer = Trainer(problem)
    return [trainer.fit(subset, seed=seed) for subset, seed in jobs]


def assert_equal(one: Fit, other: Fit) -> None:
    assert (one.subset, one.seed, one.steps, one.converged) == (other.subset, other.seed, other.steps, other.converged)
    np.testing.assert_allclose(one.curve, other.curve, rtol=1e-4)
    np.testing.assert_allclose(one.validation_loss, other.validation_loss, rtol=1e-4)
    for name, value in one.network.state_dict().items():
        torch.testing.assert_close(value, other.network.state_dict()[name], rtol=1e-3, atol=1e-4)
    assert one.cost.flops == pytest.approx(other.cost.flops)


class Heads(nn.Module):
    """A user's own network: one head per task by name, attention over named inputs, a frozen layer, a scalar weight."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        super().__init__()
        self.frozen = nn.Linear(5, 6).requires_grad_(requires_grad=False)
        self.scale = nn.Parameter(torch.tensor(0.5))
        self.norm = nn.LayerNorm(6)
        self.heads = nn.ModuleDict({task.name: nn.Linear(6, task.width) for task in tasks})

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        hidden = self.norm(self.frozen(inputs["x"])).tanh() * self.scale
        return {name: head(hidden) for name, head in self.heads.items()}


def doubled(rows: Rows) -> Tensor:
    assert isinstance(rows.inputs, Tensor)
    return rows.inputs.double()


def named(problem: Problem) -> Problem:
    splits = {
        split: Rows({"x": rows.inputs}, rows.targets)
        for split, rows in problem.splits.items()
        if isinstance(rows.inputs, Tensor)
    }
    return Problem(problem.tasks, splits, Heads, problem.training)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("missing", [0.0, 0.5])
def test_an_ensemble_equals_training_one_after_another(
    optimizer: str, missing: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = replace(QUICK, optimizer=optimizer, epochs=16, patience=2, learning_rate=0.1)  # type: ignore[arg-type]
    problem = problem_for(missing=missing, training=options)
    expected = alone(problem, JOBS)
    assert len({len(fit.curve) for fit in expected}) > 2  # members stop at different epochs
    monkeypatch.setattr(Trainer, "fit", refuse_training_alone)
    for one, other in zip(Trainer(problem).fit_many(JOBS), expected, strict=True):
        assert_equal(one, other)


def refuse_training_alone(*_: object, **__: object) -> NoReturn:
    raise AssertionError("trained alone")


def test_so_does_one_of_a_network_of_the_users_own(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = named(problem_for())
    expected = alone(problem, JOBS)
    monkeypatch.setattr(Trainer, "fit", refuse_training_alone)
    for one, other in zip(Trainer(problem).fit_many(JOBS), expected, strict=True):
        assert_equal(one, other)


def test_in_double_precision_they_are_the_same_to_the_ninth_digit() -> None:
    single = problem_for(training=replace(QUICK, epochs=16, patience=16))
    splits = {split: Rows(doubled(rows), rows.targets.double()) for split, rows in single.splits.items()}
    problem = replace(single, splits=splits, build=lambda tasks: SharedMLP(5, tasks, NetworkOptions()).double())
    for one, other in zip(Trainer(problem).fit_many(JOBS), alone(problem, JOBS), strict=True):
        np.testing.assert_allclose(one.curve, other.curve, rtol=1e-9)


def test_members_with_data_of_their_own_keep_their_own_pace() -> None:
    problem = problem_for(missing=0.0, rows=90)
    rows = problem.splits["train"]
    targets = rows.targets.clone()
    for column, (start, stop) in enumerate([(0, 50), (50, 55), (55, 56), (56, 90)]):
        targets[:start, column] = torch.nan
        targets[stop:, column] = torch.nan
    problem = replace(problem, splits={**problem.splits, "train": Rows(rows.inputs, targets)})
    for one, other in zip(Trainer(problem).fit_many(JOBS), alone(problem, JOBS), strict=True):
        assert_equal(one, other)


def test_a_member_does_not_depend_on_its_company() -> None:
    problem = problem_for()
    together = list(Trainer(problem).fit_many(JOBS))
    few = list(Trainer(problem).fit_many([*JOBS[3:6], JOBS[-1]]))
    for one, other in zip(few, [*together[3:6], together[-1]], strict=True):
        assert_equal(one, other)


def test_a_large_validation_split_is_judged_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = problem_for()
    expected = list(Trainer(problem).fit_many(JOBS[-3:]))
    monkeypatch.setattr("cotrain.training.ensemble.ROWS_AT_ONCE", 50)
    for one, other in zip(Trainer(problem).fit_many(JOBS[-3:]), expected, strict=True):
        assert_equal(one, other)


def test_ensembles_are_split_when_memory_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = problem_for()
    expected = list(Trainer(problem).fit_many(JOBS))
    monkeypatch.setattr("cotrain.training.ensemble_plan.MOST_NUMBERS", 20_000)
    plan = plan_ensembles(problem, JOBS, CPU)
    assert isinstance(plan, EnsemblePlan)
    assert 1 < plan.size < len(JOBS)
    for one, other in zip(Trainer(problem).fit_many(JOBS), expected, strict=True):
        assert_equal(one, other)


class BatchNormed(SharedMLP):
    def __init__(self, tasks: Sequence[Task]) -> None:
        super().__init__(5, tasks, NetworkOptions(hidden=(8,)))
        self.norm = nn.BatchNorm1d(8)

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.heads(self.norm(self.trunk(inputs)))
        return outputs


class RowMixing(SharedMLP):
    def __init__(self, tasks: Sequence[Task]) -> None:
        super().__init__(5, tasks, NetworkOptions(hidden=(8,)))

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs - inputs.mean(dim=0))


class DataDependent(RowMixing):
    def forward(self, inputs: Tensor) -> Tensor:
        return SharedMLP.forward(self, inputs if inputs.sum() > 0 else -inputs)


class TaskMixing(nn.Module):
    """Its heads see one another, so that a task outside the subset would change those within."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        super().__init__()
        self.trunk = SharedMLP(5, tasks, NetworkOptions(hidden=(8,)))
        self.mix = nn.Linear(sum(task.width for task in tasks), sum(task.width for task in tasks))

    def forward(self, inputs: Tensor) -> Tensor:
        mixed: Tensor = self.mix(self.trunk(inputs))
        return mixed


class HeadSum(nn.Module):
    """Weights of absent tasks leave outputs as they are at first, but would learn."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        super().__init__()
        self.heads = nn.ModuleDict({task.name: nn.Linear(5, task.width) for task in tasks})

    def forward(self, inputs: Tensor) -> Outputs:
        outputs = {name: head(inputs) for name, head in self.heads.items()}
        total = torch.stack([output.sum(dim=1) for output in outputs.values()]).sum(dim=0)
        return {name: output + total[:, None] for name, output in outputs.items()}


@pytest.mark.parametrize("network", [BatchNormed, RowMixing, DataDependent, TaskMixing, HeadSum])
def test_networks_that_cannot_be_stacked_train_one_after_another(network: type[nn.Module]) -> None:
    problem = replace(problem_for(training=replace(QUICK, epochs=2)), build=network)
    jobs = [JOBS[0], JOBS[6], JOBS[-1]]
    assert plan_ensembles(problem, jobs, CPU) is None
    assert all(
        identical(one, other) for one, other in zip(Trainer(problem).fit_many(jobs), alone(problem, jobs), strict=True)
    )


@pytest.mark.parametrize(
    "problem", [problem_for(dropout=0.2), problem_for(hidden=(1500, 500))], ids=["random", "large"]
)
def test_dropout_and_large_networks_train_one_after_another(problem: Problem) -> None:
    assert plan_ensembles(problem, JOBS, CPU) is None


def test_finished_members_are_recalled_and_the_rest_trained(tmp_path: Path) -> None:
    problem = problem_for()
    partial = list(Trainer(problem, folder=tmp_path).fit_many(JOBS[:7]))
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "fits").iterdir()}
    heard: list[str] = []

    class Listener:
        def advance(self, description: str) -> None:
            heard.append(description)

    found = list(Trainer(problem, folder=tmp_path, progress=Listener()).fit_many(JOBS))
    assert all(identical(one, other) for one, other in zip(found[:7], partial, strict=True))
    for one, other in zip(found, alone(problem, JOBS), strict=True):
        assert_equal(one, other)
    assert written.items() <= {path: path.stat().st_mtime_ns for path in (tmp_path / "fits").iterdir()}.items()
    assert len(heard) == len(JOBS)


class InterruptedTrainingError(Exception):
    pass


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("fits_before", [0, 1, 6])
def test_an_interrupted_ensemble_ends_bit_identical(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimizer: str, fits_before: int
) -> None:
    options = replace(QUICK, optimizer=optimizer, epochs=16, patience=2, learning_rate=0.1)  # type: ignore[arg-type]
    problem = problem_for(training=options)
    expected = list(Trainer(problem).fit_many(JOBS))
    interrupt_after_recording(fits_before, monkeypatch)
    with pytest.raises(InterruptedTrainingError):
        list(Trainer(problem, folder=tmp_path, checkpoint_seconds=0).fit_many(JOBS))
    monkeypatch.undo()
    written = {path: path.stat().st_mtime_ns for path in tmp_path.glob("fits/*")}
    assert len(written) == fits_before
    found = list(Trainer(problem, folder=tmp_path).fit_many(JOBS))
    assert all(identical(one, other) for one, other in zip(found, expected, strict=True))
    assert written.items() <= {path: path.stat().st_mtime_ns for path in tmp_path.glob("fits/*")}.items()
    assert list((tmp_path / "checkpoints").iterdir()) == []


def interrupt_after_recording(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    record, recorded = Ledger.record, 0

    def counted(self: Ledger, fit: Fit, origin: Mapping[str, object]) -> None:
        nonlocal recorded
        if recorded == count:
            raise InterruptedTrainingError
        record(self, fit, origin)
        recorded += 1

    monkeypatch.setattr(Ledger, "record", counted)


def test_a_fit_deleted_from_an_interrupted_ensemble_is_trained_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = problem_for(training=replace(QUICK, epochs=12, patience=2))
    interrupt_after_recording(6, monkeypatch)
    with pytest.raises(InterruptedTrainingError):
        list(Trainer(problem, folder=tmp_path, checkpoint_seconds=0).fit_many(JOBS))
    monkeypatch.undo()
    next(tmp_path.glob("fits/*")).unlink()
    for one, other in zip(Trainer(problem, folder=tmp_path).fit_many(JOBS), alone(problem, JOBS), strict=True):
        assert_equal(one, other)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_of_an_ensemble_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Path], None]
) -> None:
    interrupt_after_recording(0, monkeypatch)
    with pytest.raises(InterruptedTrainingError):
        list(Trainer(problem_for(), folder=tmp_path).fit_many(JOBS))
    damage(next((tmp_path / "checkpoints").iterdir()))
    with pytest.raises(InputError, match="is damaged or not a file of cotrain's"):
        list(Trainer(problem_for(), folder=tmp_path).fit_many(JOBS))


def test_a_member_that_diverges_is_named() -> None:
    problem = problem_for(training=replace(QUICK, optimizer="sgd", learning_rate=1e20))
    with pytest.raises(DivergedError, match="Training on a diverged"):
        list(Trainer(problem).fit_many(JOBS[:2]))


def test_a_job_that_cannot_train_is_refused_before_any_trains() -> None:
    heard: list[str] = []

    class Listener:
        def advance(self, description: str) -> None:
            heard.append(description)

    with pytest.raises(InputError, match="Found 'x'"):
        list(Trainer(problem_for(), progress=Listener()).fit_many([(("a",), 0), (("x",), 0)]))
    assert heard == []


def test_the_global_random_state_is_left_alone() -> None:
    before = torch.get_rng_state()
    list(Trainer(problem_for()).fit_many(JOBS[:4]))
    assert torch.equal(before, torch.get_rng_state())


def test_no_jobs_give_no_fits_and_repeated_jobs_repeat() -> None:
    trainer = Trainer(problem_for(MIXED))
    assert list(trainer.fit_many([])) == []
    first, second, third = trainer.fit_many([JOBS[0], JOBS[5], JOBS[0]])
    assert identical(first, third)
    assert second.subset == JOBS[5][0]
