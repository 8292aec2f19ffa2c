"""The relaxation agrees with a conic solver, and its bound holds whatever the multiplier."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st
from tests.grouping.partitions import Matrix, best_by_count, symmetric, task_like

from cotrain.grouping.density.group_count import GroupCount
from cotrain.grouping.density.relaxation import Relaxation
from cotrain.grouping.density.splitting import Splitting

cp: Any = pytest.importorskip("cvxpy")


def conic_value(matrix: Matrix, groups: int | None, penalty: float) -> float:
    """The same relaxation by an interior-point method."""
    size = len(matrix)
    X = cp.Variable((size, size), PSD=True)
    constraints = [X >= 0, cp.sum(X, axis=1) == 1, *([cp.trace(X) == groups] if groups else [])]
    problem = cp.Problem(cp.Maximize(cp.sum(cp.multiply(matrix, X)) - penalty * cp.trace(X)), constraints)
    problem.solve(solver="CLARABEL")
    return float(problem.value)


@pytest.mark.parametrize(("tasks", "groups", "penalty"), [(6, 2, 0.0), (9, 3, 0.0), (12, 4, 0.01), (10, None, 0.02)])
def test_bound_meets_the_conic_solver(tasks: int, groups: int | None, penalty: float) -> None:
    matrix = symmetric(task_like(tasks, 3, seed=tasks))
    count = GroupCount(groups or tasks, exact=groups is not None, penalty=penalty)
    relaxation = Relaxation(matrix, count)
    iterate = Splitting(relaxation).run(2000)
    assert relaxation.bound(iterate.multiplier) == pytest.approx(conic_value(matrix, groups, penalty), abs=1e-5)


@settings(max_examples=60, deadline=None)
@for_all(seed=st.integers(0, 2**32 - 1), tasks=st.integers(2, 6), steps=st.integers(1, 12))
def test_bound_holds_before_convergence_and_for_any_multiplier(seed: int, tasks: int, steps: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = symmetric(rng.normal(size=(tasks, tasks)))
    noise = symmetric(rng.exponential(size=(tasks, tasks)))
    best = best_by_count(matrix)
    for groups, value in best.items():
        relaxation = Relaxation(matrix, GroupCount(groups))
        iterate = Splitting(relaxation).run(steps)
        assert relaxation.bound(iterate.multiplier) >= value - 1e-9
        assert relaxation.bound(noise) >= value - 1e-9
    free = Relaxation(matrix, GroupCount(tasks, exact=False, penalty=0.1))
    assert free.bound(noise) >= max(value - 0.1 * groups for groups, value in best.items()) - 1e-9


def test_single_precision_iterates_still_give_a_valid_bound() -> None:
    matrix = symmetric(np.asarray(np.kron(np.eye(7), np.ones((30, 30))) * 0.1, dtype=np.float64))
    relaxation = Relaxation(matrix, GroupCount(7))
    bound = relaxation.bound(Splitting(relaxation).run(60).multiplier)
    optimum = 7 * 0.1 * 29
    assert optimum <= bound <= optimum * 1.001
