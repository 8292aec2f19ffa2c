"""Designs cover all pairs evenly, whatever the order of the tasks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotrain.affinity.design import (
    all_pairs,
    balanced_subsets,
    co_occurrence,
    count_for_coverage,
    distinct,
    singles_and_all,
)
from cotrain.errors import InputError


def _off_diagonal(counts: np.ndarray) -> np.ndarray:
    return counts[~np.eye(len(counts), dtype=bool)]


@settings(max_examples=30, deadline=None)
@given(tasks=st.integers(2, 20), size=st.integers(1, 20), count=st.integers(1, 40), seed=st.integers(0, 5))
def test_every_subset_has_the_asked_size(tasks: int, size: int, count: int, seed: int) -> None:
    size = min(size, tasks)
    mask = balanced_subsets([f"t{i}" for i in range(tasks)], size=size, count=count, seed=seed)
    assert mask.shape == (count, tasks)
    assert (mask.sum(axis=1) == size).all()


@settings(max_examples=20, deadline=None)
@given(tasks=st.integers(4, 16), seed=st.integers(0, 9))
def test_pairs_meet_more_evenly_than_in_uniform_draws(tasks: int, seed: int) -> None:
    size, rng = 3, np.random.default_rng(seed)
    count = count_for_coverage(tasks, size, 8)
    mask = balanced_subsets([f"t{i}" for i in range(tasks)], size=size, count=count, seed=seed)
    uniform = np.zeros_like(mask)
    for row in uniform:
        row[rng.choice(tasks, size, replace=False)] = True
    balanced = _off_diagonal(co_occurrence(mask))
    assert balanced.mean() == pytest.approx(8, rel=0.15)
    assert balanced.min() >= 4
    assert balanced.std() <= _off_diagonal(co_occurrence(uniform)).std()


@given(seed=st.integers(0, 20), order=st.permutations(list("abcdefg")))
@settings(max_examples=30, deadline=None)
def test_permuting_the_tasks_permutes_the_design(seed: int, order: list[str]) -> None:
    plain = balanced_subsets(list("abcdefg"), size=3, count=12, seed=seed)
    permuted = balanced_subsets(order, size=3, count=12, seed=seed)
    assert (plain[:, ["abcdefg".index(name) for name in order]] == permuted).all()


def test_pairs_singles_and_all() -> None:
    assert all_pairs(4).sum(axis=1).tolist() == [2] * 6
    assert (co_occurrence(all_pairs(5)) == np.ones((5, 5)) + 3 * np.eye(5)).all()
    assert singles_and_all(3).sum(axis=1).tolist() == [1, 1, 1, 3]
    assert singles_and_all(1).tolist() == [[True]]


def test_distinct_keeps_first_places() -> None:
    mask = np.array([[1, 1], [0, 1], [1, 1], [1, 0]], dtype=bool)
    assert distinct(mask).tolist() == [[True, True], [False, True], [True, False]]


@pytest.mark.parametrize(("size", "count", "named"), [(0, 3, "`size`"), (5, 3, "`size`"), (2, 0, "`count`")])
def test_impossible_designs_are_refused(size: int, count: int, named: str) -> None:
    with pytest.raises(InputError, match=named):
        balanced_subsets(list("abcd"), size=size, count=count)
