"""Moves of local search between served sets: what they are valued at, against sets built and completed one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotrain.grouping.selection.constraints import Constraints
from cotrain.grouping.selection.group_scores import GroupScores
from cotrain.grouping.selection.moves import BestHelpers, KeptHelpers
from cotrain.grouping.selection.networks import Floats
from cotrain.grouping.selection.relocation import descend
from cotrain.grouping.selection.served_sets import Labels, ServedSets
from cotrain.grouping.selection.terms import Terms

TASKS, SETS = 12, 3  # few enough sets that all are near
RULES = {
    "free": Constraints(),
    "small": Constraints(maximum_group_size=4),
    "apart": Constraints(cannot_link=[("t0", "t1", "t2"), ("t3", "t4")]),
    "linked": Constraints(must_link=[("t0", "t1"), ("t5", "t6", "t7")], maximum_group_size=7),
    "needy": Constraints(required_helpers={"t0": ("t1", "t2"), "t4": ("t5",)}, cannot_link=[("t0", "t3")]),
}


def served_sets(rules: Constraints, seed: int, alone: float) -> ServedSets:
    random, tasks = np.random.default_rng(seed), tuple(f"t{task}" for task in range(TASKS))
    benefit = random.normal(size=(TASKS, TASKS)) * (1 - np.eye(TASKS))
    nothing = np.zeros((0, TASKS), dtype=bool)
    terms = Terms(tasks, rules.resolve(tasks), SETS, None, 0.1, nothing, 0.05, None)
    return ServedSets(GroupScores(benefit, np.full(TASKS, alone)), terms)


def starting(sets: ServedSets, seed: int) -> Labels:
    return np.random.default_rng(seed).integers(SETS, size=len(sets.terms.rules.units))


def worth(sets: ServedSets, labels: Labels) -> Floats:
    offers = sets.offers(sets.indicator(labels))
    return sets.worth(offers, sets.means(offers))


def moved_one_by_one(sets: ServedSets, labels: Labels) -> tuple[Floats, Floats]:
    """Worth of every set with a unit put in, and of every unit's set without it."""
    joined, left = np.empty((len(labels), SETS)), np.empty(len(labels))
    for unit, target in np.ndindex(joined.shape):
        after = labels.copy()
        after[unit] = target
        joined[unit, target] = worth(sets, after)[target]
        if target != labels[unit]:
            left[unit] = worth(sets, after)[labels[unit]]
    return joined, left


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), alone=st.sampled_from([0.0, 0.5, -np.inf]))
def test_moves_are_worth_what_the_sets_are_worth_after_them(rules: Constraints, seed: int, alone: float) -> None:
    sets = served_sets(rules, seed, alone)
    labels = starting(sets, seed)
    joined, left = moved_one_by_one(sets, labels)
    kept, best = KeptHelpers(sets), BestHelpers(sets)
    for moves in (kept, best):
        moves.update(labels, np.arange(SETS))
        np.testing.assert_allclose(moves.worth, worth(sets, labels), atol=1e-12)
    elsewhere = labels[:, None] != np.arange(SETS)
    assert (kept.joined <= joined + 1e-9)[elsewhere].all()
    assert (kept.left <= left + 1e-9).all()
    valued = elsewhere & np.isfinite(best.joined)
    np.testing.assert_allclose(best.joined[valued], joined[valued], atol=1e-9)
    np.testing.assert_allclose(best.left, left, atol=1e-9)


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
@pytest.mark.parametrize("seed", range(3))
def test_what_changed_is_all_that_is_valued_again(rules: Constraints, seed: int) -> None:
    sets = served_sets(rules, seed, 0.0)
    labels = starting(sets, seed)
    step_by_step, at_once = KeptHelpers(sets), KeptHelpers(sets)
    step_by_step.update(labels, np.arange(SETS))
    before, labels[0] = labels[0], (labels[0] + 1) % SETS
    step_by_step.update(labels, np.unique([before, labels[0]]))
    at_once.update(labels, np.arange(SETS))
    for attribute in ("worth", "joined", "left"):
        np.testing.assert_allclose(getattr(step_by_step, attribute), getattr(at_once, attribute), atol=1e-12)


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
@pytest.mark.parametrize("seed", range(3))
def test_no_relocation_improves_where_descent_ends(rules: Constraints, seed: int) -> None:
    sets = served_sets(rules, seed, 0.0)
    start = starting(sets, seed)
    labels, total = descend(sets, start)
    now = worth(sets, labels)
    assert total == pytest.approx(now.sum())
    assert total >= worth(sets, start).sum() - 1e-9
    joined, left = moved_one_by_one(sets, labels)
    gain = (left - now[labels])[:, None] + joined - now
    assert gain[labels[:, None] != np.arange(SETS)].max() <= 1e-9
