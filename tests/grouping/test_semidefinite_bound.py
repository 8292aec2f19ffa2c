"""Bounds on the best group and on the best selection by semidefinite relaxation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st
from tests.grouping.partitions import Matrix, given, planted

from cotrain.grouping.network_selection import NetworkSelection
from cotrain.grouping.selection import solver
from cotrain.grouping.selection.enumeration import patterns
from cotrain.grouping.selection.group_relaxation import GroupRelaxation, row_bounds
from cotrain.grouping.selection.price_splitting import Multipliers, PriceSplitting

TASKS = 7


def instance(seed: int) -> tuple[Matrix, Matrix, Matrix]:
    """Benefit, prices of members and of being served."""
    random = np.random.default_rng(seed)
    benefit = random.normal(size=(TASKS, TASKS))
    np.fill_diagonal(benefit, 0.0)
    return benefit, random.uniform(0, 0.2, TASKS), random.normal(0, 0.5, TASKS)


def best_group(benefit: Matrix, member_price: Matrix, price: Matrix, size: int, *, helpers: bool) -> float:
    """Largest reduced value of the groups of a size, by looking at all of them."""
    members = patterns(TASKS)[patterns(TASKS).sum(axis=1) == size].astype(float)
    earned = members @ benefit.T / (size - 1) - price
    earned = np.where(members > 0, np.maximum(earned, 0.0) if helpers else earned, 0.0)
    return float((earned.sum(axis=1) - members @ member_price).max())


@settings(max_examples=40, deadline=None)
@drawn(st.integers(0, 10**6), st.booleans(), st.integers(0, 3))
def test_no_group_is_worth_more_than_the_bound_whatever_the_multipliers(seed: int, helpers: bool, steps: int) -> None:
    benefit, member_price, price = instance(seed)
    sizes = np.arange(2, TASKS + 1)
    relaxation = GroupRelaxation(benefit, member_price, sizes, helpers)
    random = np.random.default_rng(seed)
    start = Multipliers.nothing(len(sizes), relaxation.items)
    search = PriceSplitting(relaxation, 2.0, price, start._replace(row=random.normal(size=start.row.shape)))
    search.run(steps)
    for size, bound in zip(sizes.tolist(), search.bounds(), strict=True):
        assert bound >= best_group(benefit, member_price, price, size, helpers=helpers) - 1e-9


@pytest.mark.parametrize("seed", range(5))
def test_row_bounds_hold(seed: int) -> None:
    benefit, member_price, price = instance(seed)
    for size, bound in enumerate(row_bounds(benefit, member_price, price), start=2):
        assert bound >= best_group(benefit, member_price, price, size, helpers=True) - 1e-12


def test_steps_close_the_gap_of_a_planted_group() -> None:
    benefit = 0.1 * planted(12, 3, 0.1, seed=0)[0]
    np.fill_diagonal(benefit, 0.0)
    relaxation = GroupRelaxation(benefit, np.zeros(12), np.array([4]), helpers=True)
    search = PriceSplitting(relaxation, 1.0, np.full(12, 0.02), Multipliers.nothing(1, relaxation.items))
    before = search.bounds()[0]
    search.run(200)
    members = patterns(12)[patterns(12).sum(axis=1) == 4].astype(float)
    best = (members * (members @ benefit.T / 3 - 0.02)).sum(axis=1).max()
    assert best - 1e-9 <= search.bounds()[0] <= best + 0.01 * (before - best)


@pytest.mark.parametrize("networks", [3, None])
def test_the_bound_is_close_to_the_proven_optimum_and_never_below(
    networks: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    affinity = given(0.1 * planted(16, 3, 0.5, seed=1)[0])
    optimum = NetworkSelection(networks=networks).group(affinity)
    monkeypatch.setattr(solver, "_ENUMERATED_TASKS", 0)
    monkeypatch.setattr(solver, "_LISTED_TASKS", 0)
    bounded = NetworkSelection(networks=networks).group(affinity)
    assert optimum.proof == "exact"
    assert bounded.objective <= optimum.objective + 1e-12
    assert optimum.objective - 1e-12 <= bounded.bound <= 1.01 * optimum.objective


def test_more_steps_prove_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solver, "_BRANCHED_TASKS", 0)
    random = np.random.default_rng(0)
    directions = random.normal(size=(28, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    affinity = given(0.1 * directions @ directions.T - 0.02 + random.normal(0, 0.02, (28, 28)))
    few, more = (NetworkSelection(networks=4, restarts=4, steps=steps).group(affinity) for steps in (20, 300))
    assert few.objective == more.objective
    assert more.objective <= more.bound < few.bound
    assert more.gap < 0.01
