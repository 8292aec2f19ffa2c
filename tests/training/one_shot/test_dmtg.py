import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.training.problems import problem_for

from cotrain.errors import InputError
from cotrain.models.mlp import SharedMLP
from cotrain.problem.options import NetworkOptions, TrainingOptions
from cotrain.problem.problem import SPLITS, Problem, Split
from cotrain.problem.rows import Rows
from cotrain.problem.task import Task
from cotrain.training.evaluation import mean_losses
from cotrain.training.one_shot.assignment import likeliest
from cotrain.training.one_shot.dmtg import DifferentiableGrouping
from cotrain.training.one_shot.search import SearchOptions
from cotrain.training.trainer import Trainer

FAMILIES = (("a1", "a2", "a3"), ("b1", "b2", "b3"))
QUICK = SearchOptions(epochs=4, warmup=1)


def planted(seed: int) -> Problem:
    """Two families, each of multiples of one hidden quantity; a network has room for little more than one of these."""
    stream = torch.Generator().manual_seed(seed)
    directions = torch.linalg.qr(torch.randn(8, 8, generator=stream))[0][:, :2]
    multiples = torch.tensor([1.0, -1.0, 1.5])
    splits: dict[Split, Rows] = {}
    for split in SPLITS:
        inputs = torch.randn(256, 8, generator=stream)
        hidden = (inputs @ directions).abs() * 2
        targets = torch.cat([hidden[:, :1] * multiples, hidden[:, 1:] * multiples], dim=1)
        targets = targets + 0.3 * torch.randn(256, 6, generator=stream)
        splits[split] = Rows(inputs, targets - targets.mean(dim=0))
    tasks = tuple(Task(name, "regression") for family in FAMILIES for name in family)
    training = TrainingOptions(learning_rate=0.02, batch_size=64, epochs=3)
    return Problem(tasks, splits, lambda chosen: SharedMLP(8, chosen, NetworkOptions(hidden=(3,))), training)


def test_a_planted_grouping_is_found_in_nine_of_ten_seeds() -> None:
    found = [DifferentiableGrouping(2).fit(Trainer(planted(seed)), seed=seed).groups for seed in range(10)]
    assert sum(set(groups) == set(FAMILIES) for groups in found) >= 9


def test_its_networks_predict_what_the_finished_training_does() -> None:
    problem = problem_for()
    found = DifferentiableGrouping(2, search=QUICK).fit(Trainer(problem), seed=3)
    rows = problem.splits["test"]
    with torch.no_grad():
        outputs = found.fit.network(rows.inputs)
        served = found.service.outputs(rows.inputs)
    assert all(torch.equal(outputs[name], served[name]) for name in problem.names)
    assert sorted(name for group in found.groups for name in group) == sorted(problem.names)


def test_the_same_seed_finds_the_same_in_any_order_of_tasks() -> None:
    problem = problem_for()
    method = DifferentiableGrouping(2, search=QUICK)
    one, other = (method.fit(Trainer(each)) for each in (problem, problem.with_tasks(["d", "b", "c", "a"])))
    assert one.groups == other.groups
    assert np.array_equal(one.probabilities, other.probabilities)
    assert np.array_equal(one.fit.curve, other.fit.curve)


def test_cost_falls_as_tasks_are_fixed() -> None:
    trainer = Trainer(problem_for())
    free, fixed = (
        DifferentiableGrouping(8, search=SearchOptions(epochs=6, warmup=0, rate=rate, sure=0.5), least_tasks=0)
        .fit(trainer)
        .fit.cost.flops
        for rate in (0.0, 5.0)
    )
    assert fixed < free


def test_no_group_is_empty() -> None:
    method = DifferentiableGrouping(4, search=QUICK, start=(("a", "b", "c", "d"),))
    assert sorted(method.fit(Trainer(problem_for())).groups) == [("a",), ("b",), ("c",), ("d",)]


def test_a_start_is_kept_where_nothing_moves() -> None:
    search = SearchOptions(epochs=2, warmup=0, rate=0.0)
    start = (("a", "c"), ("b", "d"))
    found = DifferentiableGrouping(2, search=search, start=start).fit(Trainer(problem_for()))
    assert set(found.groups) == set(start)


def test_a_search_that_overfits_goes_back_to_its_best_branches() -> None:
    training = TrainingOptions(learning_rate=0.05, batch_size=8, epochs=1)
    problem = problem_for(rows=24, missing=0.0, hidden=(32,), training=training)
    method = DifferentiableGrouping(2, search=SearchOptions(epochs=40, warmup=40), least_tasks=0)
    search = method.find(Trainer(problem), ("a", "b", "c", "d"))
    curve, tasks = search.history.curve, problem.tasks_of(("a", "b", "c", "d"))
    assert curve[-1] > 1.1 * curve.min()
    rows = problem.rows_of(("a", "b", "c", "d"), "validation")
    kept = np.mean([mean_losses(branch, tasks, rows) for branch in search.branches])
    assert kept == pytest.approx(curve.min(), rel=1e-6)


@given(tasks=st.integers(1, 5), branches=st.integers(1, 3), least=st.integers(0, 2), seed=st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_the_assignment_is_the_likeliest(tasks: int, branches: int, least: int, seed: int) -> None:
    scores = np.random.default_rng(seed).normal(size=(tasks, branches))
    choices = [np.array(choice) for choice in itertools.product(range(branches), repeat=tasks)]
    allowed = [c for c in choices if (np.bincount(c, minlength=branches) >= least).all()]
    chosen = likeliest(scores, least)
    if allowed:
        best = max(scores[np.arange(tasks), c].sum() for c in allowed)
        assert scores[np.arange(tasks), chosen].sum() == pytest.approx(best)
        assert (np.bincount(chosen, minlength=branches) >= least).all()


def test_a_start_with_other_tasks_is_refused() -> None:
    method = DifferentiableGrouping(2, start=(("a", "elsewhere"),))
    with pytest.raises(InputError, match=r"`start` must hold tasks that are trained.*elsewhere"):
        method.fit(Trainer(problem_for()))


def test_batches_without_a_label_of_some_task() -> None:
    problem = problem_for(missing=0.0)
    for split in SPLITS:
        problem.splits[split].targets[2:, 0] = torch.nan
    found = DifferentiableGrouping(2, search=QUICK).fit(Trainer(problem))
    assert np.isfinite(found.fit.curve).all()
    assert np.isfinite(found.probabilities).all()


@pytest.mark.parametrize("options", [{"networks": 0}, {"networks": 1, "start": (("a",), ("b",))}])
def test_impossible_numbers_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(InputError):
        DifferentiableGrouping(**options)  # type: ignore[arg-type]
