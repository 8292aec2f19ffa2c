"""Columns come out the same whatever they came as."""

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from cotrain.problem.columns import as_array, as_column, first_text, is_missing, is_text, stray_text

CELLS = st.one_of(
    st.lists(st.one_of(st.none(), st.integers(-5, 5)), min_size=1, max_size=12),
    st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), min_size=1, max_size=12),
    st.lists(st.one_of(st.none(), st.sampled_from(["red", "blue", "green"])), min_size=1, max_size=12),
    st.lists(st.booleans(), min_size=1, max_size=12),
)


@given(CELLS)
@settings(max_examples=60, deadline=None)
def test_pandas_polars_and_lists_give_one_column(cells: list[Any]) -> None:
    expected = as_column(cells)
    for column in (as_column(pd.Series(cells, dtype=object)), as_column(pd.Series(cells)), as_column(pl.Series(cells))):
        assert is_text(column) == is_text(expected)
        np.testing.assert_array_equal(is_missing(column), is_missing(expected))
        np.testing.assert_array_equal(column[~is_missing(column)], expected[~is_missing(expected)])


@given(st.lists(st.one_of(st.none(), st.floats(allow_infinity=False, allow_nan=False)), min_size=1, max_size=8))
@settings(max_examples=40, deadline=None)
def test_numbers_written_as_text_read_as_numbers(values: list[float | None]) -> None:
    texts = np.array([None if value is None else repr(value) for value in values], dtype=object)
    np.testing.assert_array_equal(as_column(texts).astype(float), as_column(values).astype(float))


@pytest.mark.parametrize(
    "values",
    [pd.array([1, None, 3], dtype="Int64"), pd.Series(["1", "", "3"]), [1, float("nan"), 3], pl.Series([1, None, 3])],
)
def test_gaps_of_every_kind_are_missing(values: Any) -> None:
    assert is_missing(as_column(values)).tolist() == [False, True, False]


def test_tensors_and_sparse_matrices_become_arrays() -> None:
    assert as_array(torch.ones(2, requires_grad=True)).tolist() == [1, 1]
    assert as_array(sparse.eye(2).tocsr()).tolist() == [[1, 0], [0, 1]]


def test_text_among_numbers_is_named_by_row_and_value() -> None:
    assert stray_text(as_column([1, 2, "unknown", 3])) == (2, "unknown")
    assert stray_text(as_column(["a", "b", 3])) is None
    assert first_text(as_column(["a", "b", 3])) == (0, "a")
    assert first_text(as_column([1.0, 2.0])) is None
