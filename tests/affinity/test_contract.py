"""What every estimator promises, run over all of them."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.affinity.contract import ENTRIES, Promise
from tests.affinity.families import QUICK, Member, member, problem_of, with_poisoned_test

from cotrain.affinity import ESTIMATORS, Affinity
from cotrain.problem.problem import Problem
from cotrain.problem.task import Task
from cotrain.training.trainer import Trainer

PAGE = Path(__file__).parents[2] / "docs" / "estimators.md"
FAMILIES = (member("a1", 0), member("a2", 0), member("b1", 1), member("b2", 1), member("random", None))
TWINS = (member("a", 0), member("b", 1), member("c", 2), member("a twin", 0, twin="a"))
MIXED = (
    Member(Task("binary"), 0),
    Member(Task("classes", "multiclass", classes=3), 0),
    Member(Task("value", "regression"), 1),
)
every_estimator = pytest.mark.parametrize("method", tuple(ENTRIES))


def estimated(method: str, problem: Problem, *, seed: int = 0) -> Affinity:
    return ENTRIES[method].quick.estimate(problem, Trainer(problem), seed=seed)


@cache
def of_families(method: str) -> Affinity:
    """The estimate that several tests look at."""
    return estimated(method, problem_of(FAMILIES))


def promised(method: str, promise: Promise) -> None:
    """Skip what the estimator does not promise, for the reason that its documentation gives."""
    if promise in ENTRIES[method].cannot:
        pytest.skip(f"{method} does not promise '{promise}': {ENTRIES[method].cannot[promise]}")


def best_partners(affinity: Affinity) -> dict[str, str]:
    matrix = affinity.matrix.copy()
    np.fill_diagonal(matrix, -np.inf)
    assert not np.isnan(matrix).any()
    return {task: affinity.tasks[place] for task, place in zip(affinity.tasks, matrix.argmax(axis=1), strict=True)}


def off_diagonal(matrix: NDArray[Any]) -> NDArray[Any]:
    return matrix[~np.eye(len(matrix), dtype=bool)]


def random_state() -> tuple[object, ...]:
    legacy: Any = np.random.get_state(legacy=False)  # noqa: NPY002 - that nobody touches it is the point
    return random.getstate(), legacy["state"]["key"].tobytes(), torch.get_rng_state().numpy().tobytes()


def test_the_suite_knows_every_estimator() -> None:
    assert set(ENTRIES) == set(ESTIMATORS)
    assert all(isinstance(entry.quick, ESTIMATORS[name]) for name, entry in ENTRIES.items())


@every_estimator
def test_the_documentation_says_what_is_not_promised(method: str) -> None:
    page = " ".join(PAGE.read_text().split())
    assert f"`{method}`" in page
    assert [reason for reason in ENTRIES[method].cannot.values() if reason not in page] == []


@every_estimator
def test_the_result_says_where_it_comes_from(method: str) -> None:
    found = of_families(method)
    assert found.tasks == tuple(own.task.name for own in FAMILIES)
    assert found.method == method
    assert found.unit
    assert found.citation.startswith("@")
    assert found.citation == ESTIMATORS[method].citation
    assert found.cost.seconds > 0
    assert found.cost.flops > 0
    assert np.array_equal(np.isnan(off_diagonal(found.matrix)), off_diagonal(found.counts) == 0)
    errors = off_diagonal(found.standard_error)
    assert ((errors >= 0) | np.isnan(errors)).all()
    assert found.subset_losses is None or found.subset_losses.tasks == found.tasks


@every_estimator
def test_same_seed_same_result_and_global_random_state_untouched(method: str) -> None:
    first, state = of_families(method), random_state()
    again = estimated(method, problem_of(FAMILIES))
    assert random_state() == state
    np.testing.assert_array_equal(again.matrix, first.matrix)
    np.testing.assert_array_equal(again.standard_error, first.standard_error)


@every_estimator
def test_test_rows_are_never_read(method: str) -> None:
    poisoned = estimated(method, with_poisoned_test(problem_of(FAMILIES)))
    np.testing.assert_array_equal(poisoned.matrix, of_families(method).matrix)


@every_estimator
def test_permuting_the_tasks_permutes_the_result(method: str) -> None:
    promised(method, "permutation")
    order = [3, 0, 4, 2, 1]
    plain = of_families(method).with_tasks([FAMILIES[place].task.name for place in order])
    permuted = estimated(method, problem_of([FAMILIES[place] for place in order]))
    assert permuted.tasks == plain.tasks
    scale = np.abs(plain.matrix).max()
    np.testing.assert_allclose(permuted.matrix, plain.matrix, atol=1e-3 * scale)
    np.testing.assert_array_equal(permuted.counts, plain.counts)


@every_estimator
def test_twins_are_each_others_best_partner(method: str) -> None:
    promised(method, "twins")
    found = best_partners(estimated(method, problem_of(TWINS)))
    assert (found["a"], found["a twin"]) == ("a twin", "a")


@every_estimator
def test_a_task_of_random_labels_is_nobodys_best_partner(method: str) -> None:
    promised(method, "random task")
    found = best_partners(of_families(method))
    del found["random"]
    assert "random" not in found.values()


@every_estimator
def test_missing_labels(method: str) -> None:
    promised(method, "missing labels")
    found = estimated(method, problem_of(FAMILIES, missing=0.4))
    assert np.isfinite(found.matrix).all()
    assert (off_diagonal(found.counts) > 0).all()


@every_estimator
def test_tasks_with_rows_of_their_own(method: str) -> None:
    promised(method, "own rows")
    found = estimated(method, problem_of(FAMILIES[:3], own_rows=True))
    assert np.isfinite(found.matrix).all()


@every_estimator
def test_tasks_of_different_kinds(method: str) -> None:
    promised(method, "mixed kinds")
    found = estimated(method, problem_of(MIXED, missing=0.1))
    assert np.isfinite(found.matrix).all()
    assert off_diagonal(found.matrix).any()


@every_estimator
def test_one_task(method: str) -> None:
    promised(method, "one task")
    assert estimated(method, problem_of(FAMILIES[:1])).matrix.shape == (1, 1)


@every_estimator
def test_two_tasks(method: str) -> None:
    found = estimated(method, problem_of(FAMILIES[:2]))
    assert np.isfinite(off_diagonal(found.matrix)).all()


@every_estimator
def test_a_hundred_tasks(method: str) -> None:
    promised(method, "many tasks")
    members = [member(f"task {number}", number % 4) for number in range(100)]
    problem = problem_of(members, rows=64, training=replace(QUICK, epochs=2, batch_size=64), hidden=(4,))
    estimator = ENTRIES[method].at_scale or ENTRIES[method].quick
    assert estimator.estimate(problem, Trainer(problem)).matrix.shape == (100, 100)


@every_estimator
def test_estimators_are_small_comparable_values(method: str) -> None:
    quick: Any = ENTRIES[method].quick
    assert ESTIMATORS[method]() == ESTIMATORS[method]()
    assert replace(quick) == quick
    assert hash(replace(quick)) == hash(quick)
    with pytest.raises(AttributeError):
        quick.name = "other"


@every_estimator
def test_results_survive_a_round_trip(method: str, tmp_path: Path) -> None:
    found = of_families(method)
    found.save(tmp_path / "affinity.npz")
    loaded = Affinity.load(tmp_path / "affinity.npz")
    np.testing.assert_array_equal(loaded.matrix, found.matrix)
    assert (loaded.method, loaded.unit, loaded.cost, loaded.warnings) == (
        method,
        found.unit,
        found.cost,
        found.warnings,
    )
