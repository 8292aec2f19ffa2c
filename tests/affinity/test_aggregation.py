"""Co-occurrence means against the plain loop."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cotrain.affinity.aggregation import co_occurrence_mean
from cotrain.affinity.design import balanced_subsets, singles_and_all
from cotrain.affinity.subset_losses import SubsetLosses


def _table(tasks: int, seed: int, error: float = 0.0) -> SubsetLosses:
    names = tuple(f"t{i}" for i in range(tasks))
    mask = np.concatenate([singles_and_all(tasks), balanced_subsets(names, size=2, count=5, seed=seed)])
    loss = np.where(mask, np.random.default_rng(seed).uniform(0.2, 1.0, mask.shape), np.nan)
    errors = np.where(mask, error, np.nan)
    return SubsetLosses(names, mask, loss, errors, np.full(len(mask), "measured"))


def _looped(losses: SubsetLosses, target: int, source: int) -> list[float]:
    gains = losses.gain()
    rows = [k for k in range(len(losses)) if losses.sizes[k] > 1 and losses.mask[k, target] and losses.mask[k, source]]
    return [float(gains[k, target]) for k in rows]


@settings(max_examples=25, deadline=None)
@given(tasks=st.integers(2, 7), seed=st.integers(0, 100))
def test_equals_the_plain_loop(tasks: int, seed: int) -> None:
    losses = _table(tasks, seed)
    matrix, error, counts = co_occurrence_mean(losses)
    for target in range(tasks):
        for source in range(tasks):
            if target == source:
                assert matrix[target, target] == 0
                continue
            gains = _looped(losses, target, source)
            assert counts[target, source] == len(gains)
            np.testing.assert_allclose(matrix[target, source], np.mean(gains), atol=1e-12)
            if len(gains) > 1:
                expected = np.std(gains, ddof=1) / np.sqrt(len(gains))
                np.testing.assert_allclose(error[target, source], expected, atol=1e-7)


def test_the_error_of_the_losses_does_not_average_away() -> None:
    exact, noisy = co_occurrence_mean(_table(4, 0)), co_occurrence_mean(_table(4, 0, error=0.1))
    off = ~np.eye(4, dtype=bool)
    assert (noisy.standard_error[off] > 0.1).all()
    assert (noisy.matrix == exact.matrix).all()


def test_pairs_that_never_met_are_unknown() -> None:
    losses = SubsetLosses.from_dict({(name,): {name: 1.0} for name in "abc"} | {("a", "b"): {"a": 0.5, "b": 0.5}})
    matrix, _, counts = co_occurrence_mean(losses)
    assert np.isnan(matrix[0, 2])
    assert counts[0, 2] == 0
    assert matrix[0, 1] == 0.5


def test_pairs_only_ignores_larger_subsets() -> None:
    losses = SubsetLosses.from_dict(
        {(name,): {name: 1.0} for name in "abc"}
        | {("a", "b"): {"a": 0.5, "b": 0.5}, ("a", "b", "c"): {"a": 0.1, "b": 0.1, "c": 0.1}}
    )
    assert co_occurrence_mean(losses, pairs_only=True).matrix[0, 1] == 0.5
    assert co_occurrence_mean(losses).matrix[0, 1] == 0.7
