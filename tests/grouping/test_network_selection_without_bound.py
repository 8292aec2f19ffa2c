"""Network selection where no bound is wanted: local search, and an integer program over the networks it found."""

from __future__ import annotations

from itertools import islice, pairwise

import numpy as np
import pytest
from tests.grouping.partitions import Matrix, given, planted, task_like

from cotrain.errors import InputError
from cotrain.grouping.network_selection import NetworkSelection
from cotrain.grouping.selection import solver
from cotrain.grouping.selection.budget import CostBudget
from cotrain.grouping.selection.constraints import Constraints
from cotrain.grouping.selection.group_scores import GroupScores
from cotrain.grouping.selection.relocation import descend
from cotrain.grouping.selection.restarts import chance_starts
from cotrain.grouping.selection.served_sets import ServedSets
from cotrain.grouping.selection.terms import Terms

TASKS = 26
MATRICES: dict[str, Matrix] = {
    "blocks": 0.1 * planted(TASKS, 3, 0.5, seed=0)[0],
    "task-like": task_like(TASKS, 3, seed=0),
    "noise": np.random.default_rng(0).normal(size=(TASKS, TASKS)),
}
WITHOUT_BOUND = NetworkSelection(networks=3, steps=0)


def best_of_random_starts(matrix: Matrix, networks: int, starts: int) -> float:
    """The relocation search from random sets of equal size."""
    tasks = given(matrix).tasks
    nothing = np.zeros((0, len(tasks)), dtype=bool)
    terms = Terms(tasks, Constraints().resolve(tasks), networks, None, 0.0, nothing, 0.0, None)
    scores = GroupScores(matrix - np.diag(np.diag(matrix)), np.zeros(len(tasks)))
    sets, random = ServedSets(scores, terms), np.random.default_rng(1)
    return max(descend(sets, random.permutation(len(tasks)) % networks)[1] for _ in range(starts)) / len(tasks)


@pytest.mark.parametrize("matrix", MATRICES.values(), ids=MATRICES)
def test_it_is_at_least_the_best_of_ten_random_starts_and_says_what_it_is(matrix: Matrix) -> None:
    found = WITHOUT_BOUND.group(given(matrix))
    assert found.objective >= best_of_random_starts(matrix, 3, 10) - 1e-12
    assert (found.proof, found.bound, found.status) == ("heuristic", float("inf"), "local search, no bound")
    assert set(found.serving) == set(found.tasks)
    assert len(found.groups) <= 3


def test_it_stays_below_the_proven_bound() -> None:
    bounded = NetworkSelection(networks=3, steps=50, restarts=4).group(given(MATRICES["blocks"]))
    assert WITHOUT_BOUND.group(given(MATRICES["blocks"])).objective <= bounded.bound + 1e-12


def test_the_best_solution_of_the_search_stands_where_the_program_finds_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_program = WITHOUT_BOUND.group(given(MATRICES["task-like"]))
    monkeypatch.setattr(solver, "choose_by_milp", lambda *_, **__: None)
    without = WITHOUT_BOUND.group(given(MATRICES["task-like"]))
    assert best_of_random_starts(MATRICES["task-like"], 3, 1) <= without.objective <= with_program.objective + 1e-12


@pytest.mark.parametrize("most", [None, 1, 3, 8])
@pytest.mark.parametrize("matrix", MATRICES.values(), ids=MATRICES)
def test_the_worth_of_served_sets_is_that_of_the_groups_that_serve_them(matrix: Matrix, most: int | None) -> None:
    tasks, random = given(matrix).tasks, np.random.default_rng(0)
    rules = Constraints(maximum_group_size=most).resolve(tasks)
    terms = Terms(tasks, rules, 3, None, 0.0, np.zeros((0, TASKS), dtype=bool), 0.0, None)
    scores = GroupScores(matrix - np.diag(np.diag(matrix)), np.full(TASKS, 0.01))
    served = np.array([random.permutation(TASKS) < size for size in range(1, (most or 12) + 1) for _ in range(10)])
    sets = ServedSets(scores, terms)
    offers = sets.offers(served)
    means = sets.means(offers)
    members = sets.complete(offers, means)
    assert (members.sum(axis=1) <= rules.maximum_size).all()
    worth = np.where(served, scores.of(members), 0.0).sum(axis=1)
    np.testing.assert_allclose(sets.worth(offers, means), worth, atol=1e-12)


def test_the_starts_by_chance_are_among_those_it_looks_at() -> None:
    found = WITHOUT_BOUND.group(given(MATRICES["noise"]))
    tasks = given(MATRICES["noise"]).tasks
    terms = Terms(tasks, Constraints().resolve(tasks), 3, None, 0.0, np.zeros((0, TASKS), dtype=bool), 0.0, None)
    matrix = MATRICES["noise"] - np.diag(np.diag(MATRICES["noise"]))
    sets = ServedSets(GroupScores(matrix, np.zeros(TASKS)), terms)
    starts = islice(chance_starts(TASKS, 3, seed=WITHOUT_BOUND.seed), 10)
    assert found.objective >= max(descend(sets, start)[1] for start in starts) / TASKS - 1e-12


def test_a_cost_budget_is_kept() -> None:
    affinity = given(MATRICES["task-like"])
    budgets = (1.0, 2.0, 3.0)
    found = [NetworkSelection(cost_budget=CostBudget(total), steps=0, restarts=4).group(affinity) for total in budgets]
    assert all(grouping.diagnostics["total_cost"] <= total for grouping, total in zip(found, budgets, strict=True))
    assert all(one.objective <= other.objective + 1e-12 for one, other in pairwise(found))


def test_too_little_room_for_all_tasks_is_refused() -> None:
    crowded = NetworkSelection(networks=3, steps=0, restarts=2, constraints=Constraints(maximum_group_size=8))
    with pytest.raises(InputError, match="leave no grouping that serves every task"):
        crowded.group(given(MATRICES["noise"]))
