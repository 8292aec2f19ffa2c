"""Kinds are inferred as documented and values keep their meaning."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotrain.errors import InputError
from cotrain.problem.columns import as_column
from cotrain.problem.targets import infer_kind, read_target
from cotrain.problem.task import Kind


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([True, False, True], "binary"),
        (["no", "yes", None], "binary"),
        ([0.5, 1.5, 1.5], "binary"),
        ([0, 1, 2] * 10, "multiclass"),
        ([0, 1, 2, None] * 10, "multiclass"),
        ([0.0, 1.0, 2.0] * 10, "regression"),
        ([0, 1, 2], "regression"),
        (list(range(21)) * 10, "regression"),
        (["a", "b", "c"], "multiclass"),
        ([1.5, 2.5, 3.5, "?"], "regression"),
    ],
)
def test_inferred_kinds(values: list[Any], kind: Kind) -> None:
    assert infer_kind(as_column(values)) == kind


@given(st.lists(st.one_of(st.none(), st.sampled_from(["x", "y", "z"])), min_size=6, max_size=30))
@settings(max_examples=50, deadline=None)
def test_codes_and_labels_give_back_the_column(values: list[str | None]) -> None:
    target = read_target("t", as_column(values), "multiclass")
    back = [None if np.isnan(code) else target.task.labels[int(code)] for code in target.values]
    assert back == values


def test_declared_classes_need_not_all_occur() -> None:
    target = read_target("t", np.array([0.0, 2.0, np.nan]), "multiclass", classes=4)
    assert target.task.classes == 4
    assert target.task.labels == ("0", "1", "2", "3")
    np.testing.assert_array_equal(target.values, [0, 2, np.nan])


@given(st.lists(st.floats(-100, 100), min_size=3, max_size=20), st.integers(1, 3))
@settings(max_examples=50, deadline=None)
def test_standardising_uses_training_rows_and_is_undone_by_center_and_scale(values: list[float], others: int) -> None:
    column = np.array(values)
    training = np.arange(len(column)) < len(column) - others + 1
    target = read_target("t", column, "regression").standardised(training)
    np.testing.assert_allclose(target.task.center, column[training].mean(), atol=1e-9)
    np.testing.assert_allclose(target.task.center + target.task.scale * target.values, column, atol=1e-6)


@pytest.mark.parametrize(
    ("values", "kind", "message"),
    [
        ([0, 1, 2], "binary", "kind binary must have two values. 't' has 3"),
        ([0.5, 1.5, 0.5, 1.5, 2.5], "multiclass", "must be text or whole numbers"),
        ([f"name {i}" for i in range(30)], "multiclass", "must repeat their classes"),
        ([1.0, "many", 2.0], "regression", "first in row 2: 'many'"),
        ([1.0, float("inf")], "regression", "must be finite. 't' is infinite, first in row 2"),
        (np.array(["2020-01-01", "2020-01-02"], dtype="datetime64[D]"), None, "'t' holds dates"),
    ],
)
def test_values_that_do_not_fit_their_kind(values: Any, kind: Kind | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_target("t", as_column(values), kind)


def test_codes_beyond_the_declared_classes_are_refused() -> None:
    with pytest.raises(InputError, match=r"must hold codes 0\.\.2. 't' holds 3.0 in row 2"):
        read_target("t", np.array([0.0, 3.0]), "multiclass", classes=3)
