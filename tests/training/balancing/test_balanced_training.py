from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.training.interrupted import interrupted
from tests.training.problems import MIXED, QUICK, identical, problem_for
from torch import Tensor, nn
from torchjd.aggregation import CAGrad, GradVac, Mean

from cotrain.errors import DivergedError, InputError
from cotrain.problem.options import AGGREGATIONS, WEIGHTINGS, TrainingOptions
from cotrain.problem.problem import Problem
from cotrain.problem.task import Task
from cotrain.training.balancing.choice import backward_of
from cotrain.training.balancing.jacobian import JacobianBackward
from cotrain.training.callbacks import Callback
from cotrain.training.ensemble_plan import plan_ensembles
from cotrain.training.run import Run
from cotrain.training.subset_data import SubsetData
from cotrain.training.trainer import Trainer

SUBSET = ("a", "b", "c")
BRIEF = replace(QUICK, epochs=2)
NEEDS_A_LAST_LAYER = ("bayes-agg",)
JACOBIAN = [name for name in AGGREGATIONS if name not in ("mean", *NEEDS_A_LAST_LAYER)]


def with_options(**options: Any) -> Problem:
    return problem_for(training=replace(BRIEF, **options))


def largest_difference(one: nn.Module, other: nn.Module) -> float:
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return max(float((mine - yours).detach().abs().max()) for mine, yours in pairs)


def test_the_mean_of_gradients_is_ordinary_training() -> None:
    aggregated = Trainer(with_options(optimizer="sgd", aggregation=Mean())).fit(SUBSET)
    plain = Trainer(with_options(optimizer="sgd")).fit(SUBSET)
    assert largest_difference(aggregated.network, plain.network) < 1e-5


@pytest.mark.parametrize(
    "options", [{"aggregation": name} for name in JACOBIAN] + [{"weighting": w} for w in WEIGHTINGS]
)
def test_every_choice_trains(options: dict[str, str]) -> None:
    problem = problem_for(missing=0.0, training=replace(BRIEF, **options))  # type: ignore[arg-type]
    fit = Trainer(problem).fit(SUBSET)
    assert np.isfinite(fit.curve).all()
    assert identical(fit, Trainer(problem).fit(SUBSET))


@pytest.mark.parametrize("name", ["pcgrad", "upgrad", "imtl-g", "aligned-mtl"])
def test_the_order_of_the_problems_tasks_does_not_matter(name: str) -> None:
    shuffled = problem_for(tasks=MIXED, training=replace(BRIEF, aggregation=name)).with_tasks(["d", "c", "a", "b"])
    assert identical(Trainer(shuffled).fit(SUBSET), Trainer(with_options(aggregation=name)).fit(SUBSET))


def test_a_single_task_trains_as_ever() -> None:
    fit = Trainer(with_options(aggregation="pcgrad", weighting="uncertainty")).fit(("a",))
    assert identical(fit, Trainer(with_options()).fit(("a",)))


def test_tasks_that_share_nothing_train_as_ever() -> None:
    problem = problem_for(hidden=(), training=replace(BRIEF, aggregation="mgda"))
    plain = problem_for(hidden=(), training=BRIEF)
    assert largest_difference(Trainer(problem).fit(SUBSET).network, Trainer(plain).fit(SUBSET).network) < 1e-5


def rare(training: TrainingOptions) -> Problem:
    """A problem in which many batches lack a label of task a."""
    problem = problem_for(missing=0.0, training=training)
    column = problem.names.index("a")
    problem.splits["train"].targets[2:, column] = torch.nan
    return problem


@pytest.mark.parametrize("name", ["pcgrad", "mgda", "imtl-g", "upgrad", "wpcgrad", "graddrop", "selective"])
def test_a_task_without_a_label_in_a_batch_has_no_say(name: str) -> None:
    assert np.isfinite(Trainer(rare(replace(BRIEF, aggregation=name))).fit(SUBSET).curve).all()


def test_an_aggregator_with_a_memory_needs_all_tasks_in_every_batch() -> None:
    with pytest.raises(InputError, match="without a: raise `batch_size`"):
        Trainer(rare(replace(BRIEF, aggregation="gradvac"))).fit(SUBSET)


@pytest.mark.parametrize("weighting", ["gradnorm", "dwa", "uncertainty"])
def test_weightings_bear_batches_that_lack_a_task(weighting: str) -> None:
    assert np.isfinite(Trainer(rare(replace(BRIEF, weighting=weighting))).fit(SUBSET).curve).all()


def test_gradnorm_needs_something_shared() -> None:
    with pytest.raises(InputError, match="'gradnorm' where tasks share no matrix"):
        Trainer(problem_for(hidden=(), training=replace(BRIEF, weighting="gradnorm"))).fit(SUBSET)


class _Spoilt(nn.Module):
    def forward(self, jacobian: Tensor) -> Tensor:
        return jacobian.sum(dim=0) * torch.nan


def test_gradients_that_are_not_finite_are_refused() -> None:
    with pytest.raises(DivergedError, match="Training on a, b, c diverged: the aggregated gradient is not finite"):
        Trainer(with_options(aggregation=_Spoilt())).fit(SUBSET)


def test_an_aggregator_with_a_memory_starts_afresh_for_every_network() -> None:
    problem = problem_for(missing=0.0, training=replace(BRIEF, aggregation=GradVac()))
    trainer = Trainer(problem)
    assert identical(trainer.fit(SUBSET), trainer.fit(SUBSET))


def test_a_named_aggregator_and_the_same_object_agree() -> None:
    named, given = with_options(aggregation="cagrad"), with_options(aggregation=CAGrad(c=0.5))
    assert identical(Trainer(named).fit(SUBSET), Trainer(given).fit(SUBSET))
    assert given.fingerprint == with_options(aggregation=CAGrad(c=0.5)).fingerprint
    assert given.fingerprint != with_options(aggregation=CAGrad(c=0.4)).fingerprint


def test_priorities_are_the_weights_of_the_tasks() -> None:
    problem = with_options(aggregation="wpcgrad")
    data = SubsetData.of(problem, ("a", "b"), torch.device("cpu"))
    network = problem.build(data.tasks)
    backward = backward_of(network, data, problem.training)
    backward(network, data, data.train)
    assert isinstance(backward, JacobianBackward)
    weights = {task.name: task.weight for task in data.tasks}
    priorities: Tensor = backward.aggregation.aggregator.gramian_weighting.priorities  # type: ignore[union-attr,assignment]
    assert priorities.tolist() == [weights["a"], weights["b"]]


@pytest.mark.parametrize("field", ["weighting", "aggregation", "schedule", "precision"])
def test_unknown_names_are_refused(field: str) -> None:
    with pytest.raises(InputError, match=f"`{field}` must be one of"):
        with_options(**{field: "unheard-of"})


@pytest.mark.parametrize(("field", "value"), [("aggregation", 3), ("schedule", 3), ("clip_norm", -1.0)])
def test_values_of_the_wrong_kind_are_refused(field: str, value: object) -> None:
    with pytest.raises(InputError, match=f"`{field}` must be"):
        with_options(**{field: value})


BEYOND = [
    {"weighting": "uncertainty"},
    {"aggregation": "pcgrad"},
    {"clip_norm": 1.0},
    {"precision": "bfloat16"},
    {"precision": "float16"},
    {"schedule": "cosine"},
]


@pytest.mark.parametrize("options", BEYOND)
def test_ensembles_leave_to_single_networks_what_they_cannot_do(options: dict[str, Any]) -> None:
    problem, jobs = with_options(**options), [(("a", "b"), 0), (("a", "c"), 0)]
    assert plan_ensembles(problem, jobs, torch.device("cpu")) is None
    fits = list(Trainer(problem).fit_many(jobs))
    assert all(identical(fit, Trainer(problem).fit(fit.subset)) for fit in fits)


class _Rates(Callback):
    def __init__(self) -> None:
        self.rates: list[float] = []

    def after_epoch(self, run: Run) -> None:
        self.rates.append(run.optimizer.param_groups[0]["lr"])


def rates(schedule: str | Callable[..., Any], epochs: int = 10) -> list[float]:
    watch = _Rates()
    options = replace(QUICK, learning_rate=1.0, optimizer="sgd", clip_norm=1e-6, schedule=schedule)
    problem = problem_for(training=replace(options, epochs=epochs, patience=epochs))
    Trainer(problem).fit(SUBSET, callbacks=[watch])
    return watch.rates


def test_schedules_change_the_rate_as_they_say() -> None:
    assert rates("constant") == [1.0] * 10
    assert rates("exponential")[-1] == pytest.approx(0.01)
    assert rates("cosine")[4] == pytest.approx(0.5)
    assert rates("step") == pytest.approx([1.0] * 5 + [0.1] * 2 + [0.01] * 3)
    own = rates(lambda optimizer: torch.optim.lr_scheduler.ConstantLR(optimizer, factor=0.5, total_iters=100))
    assert own == [0.5] * 10


RESUMED: Sequence[dict[str, Any]] = (
    {"weighting": "uncertainty", "schedule": "plateau", "clip_norm": 0.5},
    {"weighting": "gradnorm", "schedule": "cosine"},
    {"weighting": "random", "aggregation": "pcgrad", "schedule": "step"},
    {"aggregation": "selective", "schedule": "plateau"},
    {"aggregation": "wpcgrad", "schedule": "exponential", "precision": "bfloat16"},
    {"precision": "float16", "clip_norm": 1.0},
)


@pytest.mark.parametrize("options", RESUMED)
def test_a_resumed_training_ends_bit_identical(
    options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = problem_for(dropout=0.2, training=replace(QUICK, epochs=7, patience=4, **options))
    with interrupted(monkeypatch, writings=4):
        Trainer(problem, folder=tmp_path, checkpoint_seconds=0).fit(SUBSET)
    assert identical(Trainer(problem, folder=tmp_path).fit(SUBSET), Trainer(problem).fit(SUBSET))


@pytest.mark.parametrize("options", [{"weighting": "dwa"}, {"aggregation": "gradvac"}])
def test_what_cannot_be_resumed_is_not_checkpointed(options: dict[str, Any], tmp_path: Path) -> None:
    problem = problem_for(missing=0.0, training=replace(QUICK, **options))
    fit = Trainer(problem, folder=tmp_path, checkpoint_seconds=0).fit(SUBSET)
    assert not list(tmp_path.glob("checkpoints/*"))
    assert identical(fit, Trainer(problem).fit(SUBSET))


def test_the_cost_counts_one_backward_pass_per_task() -> None:
    tasks = [Task(name) for name in SUBSET]
    costs = [
        Trainer(problem_for(tasks, missing=0.0, hidden=(64, 64), training=replace(BRIEF, aggregation=name)))
        .fit(SUBSET)
        .cost.flops
        for name in ("mean", "pcgrad")
    ]
    assert 1.5 < costs[1] / costs[0] < 4
