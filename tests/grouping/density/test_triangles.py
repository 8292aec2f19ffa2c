"""Triangle inequalities hold for every partition, and what they add to the bound stays a bound."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st
from tests.grouping.partitions import Matrix, best_by_count, partitions, symmetric, task_like

from cotrain.grouping.density.group_count import GroupCount
from cotrain.grouping.density.relaxation import Relaxation
from cotrain.grouping.density.solver import DensitySolver
from cotrain.grouping.density.splitting import Splitting
from cotrain.grouping.density.triangles import Triangles


def all_triangles(size: int) -> Triangles:
    corners = [
        (i, j, k) for i in range(size) for j in range(size) for k in range(j + 1, size) if len({i, j, k}) == 3
    ]  # fmt: skip
    return Triangles(size, np.array(corners), np.ones(len(corners)))


def test_every_partition_satisfies_every_inequality() -> None:
    for labels in partitions(6):
        member = np.eye(6)[labels][:, : labels.max() + 1]
        point = (member / member.sum(axis=0)) @ member.T
        assert all_triangles(6).violations(point).max() <= 1e-12


def test_the_priced_matrix_sums_the_violations() -> None:
    rng = np.random.default_rng(0)
    triangles = all_triangles(5).repriced(symmetric(rng.normal(size=(5, 5))), 0.7)
    point = symmetric(rng.normal(size=(5, 5))) + np.diag(rng.normal(size=5))
    assert (triangles.matrix * point).sum() == pytest.approx(triangles.prices @ triangles.violations(point))


def test_the_worst_violations_are_found_once_and_free_ones_dropped() -> None:
    rng = np.random.default_rng(1)
    solution = symmetric(rng.exponential(size=(7, 7)))
    every = all_triangles(7)
    found = Triangles.none(7).renewed(solution, 10)
    worst = np.sort(every.violations(solution))[-10:]
    assert np.sort(found.violations(solution)) == pytest.approx(worst)
    again = found.repriced(solution, 1.0).renewed(solution, 20)
    assert len(again.corners) == len(np.unique(again.corners, axis=0)) == 20
    assert again.prices[:10] == pytest.approx(found.violations(solution))
    assert not Triangles(7, found.corners, np.zeros(10)).renewed(np.eye(7), 10).corners.size


@settings(max_examples=40, deadline=None)
@for_all(seed=st.integers(0, 2**32 - 1), tasks=st.integers(3, 6), raise_by=st.floats(0, 2))
def test_bound_holds_for_any_prices(seed: int, tasks: int, raise_by: float) -> None:
    rng = np.random.default_rng(seed)
    matrix = symmetric(rng.normal(size=(tasks, tasks)))
    triangles = all_triangles(tasks).repriced(symmetric(rng.normal(size=(tasks, tasks))), raise_by)
    for groups, value in best_by_count(matrix).items():
        priced = Relaxation(matrix - triangles.matrix, GroupCount(groups))
        assert priced.bound(Splitting(priced).run(5).multiplier) >= value - 1e-9


def relaxed_bound(matrix: Matrix, groups: int) -> float:
    relaxation = Relaxation(matrix, GroupCount(groups))
    return relaxation.bound(Splitting(relaxation).run(400).multiplier)


def test_they_certify_what_the_relaxation_alone_cannot() -> None:
    matrix = symmetric(task_like(60, 6, seed=3))
    found = DensitySolver(matrix, GroupCount(6), tolerance=5e-5).solve()
    alone = relaxed_bound(matrix, 6)
    assert found.value <= found.bound
    assert found.bound - found.value < 0.5 * (alone - found.value)
