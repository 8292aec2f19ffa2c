"""Splits are stratified over all tasks, deterministic, and indifferent to the order of tasks."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cotrain.errors import InputError
from cotrain.problem.splitting import check_fractions, given_split, seeded_split
from cotrain.problem.targets import Target, read_target
from cotrain.problem.task import Task

FRACTIONS = (0.6, 0.2, 0.2)


def binary(labels: NDArray[np.float64]) -> list[Target]:
    return [Target(Task(f"t{i}"), column) for i, column in enumerate(labels.T)]


def random_labels(seed: int, rows: int, tasks: int, missing: float = 0.0) -> NDArray[np.float64]:
    random = np.random.default_rng(seed)
    labels = (random.random((rows, tasks)) < random.uniform(0.05, 0.5, tasks)).astype(np.float64)
    labels[random.random(labels.shape) < missing] = np.nan
    return labels


@given(st.integers(0, 10_000), st.integers(1, 6), st.sampled_from([0.0, 0.3, 0.9]))
@settings(max_examples=30, deadline=None)
def test_every_split_gets_its_share_of_rows_and_of_every_class(seed: int, tasks: int, missing: float) -> None:
    labels = random_labels(seed, 200, tasks, missing)
    split = seeded_split(binary(labels), FRACTIONS, seed)
    shares = np.bincount(split, minlength=3) / 200
    np.testing.assert_allclose(shares, FRACTIONS, atol=0.06)
    for value in (0.0, 1.0):
        counts = np.stack([(labels[split == code] == value).sum(axis=0) for code in range(3)])
        expected = np.outer(FRACTIONS, counts.sum(axis=0))
        assert np.abs(counts - expected).max() <= 5


@given(st.integers(0, 10_000), st.integers(3, 8))
@settings(max_examples=30, deadline=None)
def test_a_value_that_occurs_three_times_reaches_every_split(seed: int, positives: int) -> None:
    column = np.zeros(60)
    column[np.random.default_rng(seed).choice(60, positives, replace=False)] = 1
    split = seeded_split([Target(Task("rare"), column)], FRACTIONS, seed)
    assert set(split[column == 1]) == {0, 1, 2}


@given(st.integers(0, 10_000), st.permutations(range(4)))
@settings(max_examples=20, deadline=None)
def test_the_order_of_tasks_does_not_matter_and_the_seed_does(seed: int, order: list[int]) -> None:
    targets = binary(random_labels(seed, 80, 4, 0.2))
    split = seeded_split(targets, FRACTIONS, seed)
    np.testing.assert_array_equal(split, seeded_split([targets[i] for i in order], FRACTIONS, seed))
    assert not np.array_equal(split, seeded_split(targets, FRACTIONS, seed + 1))


def test_each_task_with_rows_of_its_own_is_split_within_itself() -> None:
    labels = np.full((150, 3), np.nan)
    for task in range(3):
        labels[50 * task : 50 * task + 50, task] = np.arange(50) % 5 == 0
    split = seeded_split(binary(labels), FRACTIONS, 0)
    for task in range(3):
        own = slice(50 * task, 50 * task + 50)
        np.testing.assert_allclose(np.bincount(split[own]) / 50, FRACTIONS, atol=0.05)
        np.testing.assert_allclose(np.bincount(split[own][labels[own, task] == 1]) / 10, FRACTIONS, atol=0.11)


def test_a_regression_is_spread_by_quartiles() -> None:
    values = np.sort(np.random.default_rng(0).normal(size=400))
    split = seeded_split([read_target("t", values)], FRACTIONS, 0)
    for quartile in range(4):
        counts = np.bincount(split[100 * quartile : 100 * quartile + 100], minlength=3)
        np.testing.assert_allclose(counts / 100, FRACTIONS, atol=0.03)


def test_rare_labels_of_real_data_are_kept(shared: Path) -> None:
    with np.load(shared / "data" / "multilabel" / "enron.npz") as archive:
        labels = archive["Y"].astype(np.float64)
    split = seeded_split(binary(labels), FRACTIONS, 0)
    possible = (labels.sum(axis=0) >= 3) & ((labels == 0).sum(axis=0) >= 3)
    varied = np.all([np.ptp(labels[split == code], axis=0) == 1 for code in range(3)], axis=0)
    assert varied[possible].all()


def test_given_splits_are_kept() -> None:
    assert given_split([2, 0, 1, 0]).tolist() == [2, 0, 1, 0]
    assert given_split(np.array(["test", "train", "validation"])).tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0, 1, 3], "`split` must hold 0 .train., 1 .validation. or 2 .test., or these three words. Found '3'"),
        (["train", "dev", "test"], "Found 'dev'"),
        ([0, 1, None], "Found 'nan'"),
        ([0, 0, 2], "must give every split some rows. Found no validation rows"),
        ([0, 0, 0], "Found no validation and no test rows"),
    ],
)
def test_bad_given_splits(values: list[object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        given_split(values)


@pytest.mark.parametrize("fractions", [(0.5, 0.5), (0.5, 0.6, -0.1), (0.5, 0.2, 0.2), (1.0, 0.0, 0.0)])
def test_bad_fractions(fractions: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="`fractions` must be three positive numbers that add up to 1"):
        check_fractions(fractions)
