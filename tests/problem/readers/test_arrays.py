"""Arrays of any kind give one problem, and nothing outside the training rows decides how it is encoded."""

import logging
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from cotrain.models.mlp import SharedMLPFactory
from cotrain.problem import NetworkOptions, Problem, TrainingOptions

from .examples import mixed_labels, same_problem


@pytest.mark.parametrize("form", [torch.from_numpy, pd.DataFrame, pl.DataFrame, sparse.csr_matrix, np.ndarray.tolist])
def test_every_form_of_inputs_gives_one_problem(form: Any) -> None:
    X = np.random.default_rng(0).integers(0, 5, (60, 4)).astype(np.float32)
    Y = (X[:, :2] > 2).astype(int)
    expected = Problem.from_arrays(X, Y)
    assert same_problem(Problem.from_arrays(form(X), Y), expected, tolerance=1e-6)


@given(st.integers(0, 1000))
@settings(max_examples=15, deadline=None)
def test_missing_labels_stay_missing_and_regressions_are_standardised_on_training_rows(seed: int) -> None:
    X, Y, split = mixed_labels(seed)
    problem = Problem.from_arrays(X, Y, tasks=["b", "c", "r"], kinds={"c": "multiclass"}, split=split)
    for code, rows in enumerate(problem.splits.values()):
        np.testing.assert_array_equal(rows.observed.numpy(), ~np.isnan(Y[split == code]))
    regression = problem.tasks[2]
    seen = Y[split == 0, 2]
    np.testing.assert_allclose(regression.center, np.nanmean(seen), rtol=1e-6)
    np.testing.assert_allclose(regression.scale, np.nanstd(seen), rtol=1e-6)
    back = problem.splits["test"].targets[:, 2].numpy() * regression.scale + regression.center
    np.testing.assert_allclose(back, Y[split == 2, 2], atol=1e-5)


def test_test_rows_do_not_decide_how_training_rows_are_encoded() -> None:
    X, Y, split = mixed_labels(0)
    other = X.copy()
    other[split == 2] *= 100
    first, second = (Problem.from_arrays(one, Y, kinds={"task1": "multiclass"}, split=split) for one in (X, other))
    assert torch.equal(first.splits["train"].inputs, second.splits["train"].inputs)  # type: ignore[arg-type]
    assert first.encoder == second.encoder


@given(st.integers(0, 1000), st.permutations(range(3)))
@settings(max_examples=10, deadline=None)
def test_the_order_of_tasks_changes_only_the_order(seed: int, order: list[int]) -> None:
    X, Y, _ = mixed_labels(seed)
    names = np.array(["b", "c", "r"])
    options: dict[str, Any] = {"kinds": {"c": "multiclass"}}
    straight = Problem.from_arrays(X, Y, tasks=names.tolist(), **options)
    permuted = Problem.from_arrays(X, Y[:, order], tasks=names[order].tolist(), **options)
    assert same_problem(permuted.with_tasks(names.tolist()), straight)


def test_options_reach_the_problem() -> None:
    X, Y, _ = mixed_labels(0)
    problem = Problem.from_arrays(
        X,
        Y,
        tasks=["b", "c", "r"],
        kinds={"c": "multiclass"},
        metrics={"b": "f1"},
        weights={"r": 2.0},
        helpers=["c"],
        network=NetworkOptions(hidden=(7,)),
        training={"epochs": 5},
        name="mine",
    )
    assert [(task.metric, task.weight, task.helper) for task in problem.tasks] == [
        ("f1", 1.0, False),
        ("accuracy", 1.0, True),
        ("r2", 2.0, False),
    ]
    assert problem.build == SharedMLPFactory(4, NetworkOptions(hidden=(7,)))
    assert problem.training == TrainingOptions(batch_size=problem.training.batch_size, epochs=5, patience=30)
    assert problem.name == "mine"
    assert problem.build(problem.tasks)(problem.splits["train"].inputs).shape[1] == 1 + 3 + 1


def test_names_come_from_a_frame_or_are_numbered() -> None:
    X, Y, _ = mixed_labels(0)
    frame = pd.DataFrame(Y, columns=["b", "c", "r"])
    assert Problem.from_arrays(X, frame, kinds={"c": "multiclass"}).names == ("b", "c", "r")
    assert Problem.from_arrays(X, (X[:, [0] * 11] > 0) * 1).names[:2] == ("task00", "task01")


def test_raw_inputs_on_request_and_a_note_on_memory(caplog: pytest.LogCaptureFixture) -> None:
    X = sparse.csr_array(np.random.default_rng(0).integers(0, 3, (60, 5)))
    Y = np.arange(60) % 2
    with caplog.at_level(logging.INFO):
        problem = Problem.from_arrays(X, Y, standardise=False, split=np.arange(60) // 2 % 3)
    assert "60 x 5 takes" in caplog.text
    expected = X.toarray()[np.arange(60) // 2 % 3 == 0].astype(np.float32)
    np.testing.assert_array_equal(problem.splits["train"].inputs, expected)
    assert problem.encoder is None
