"""Tables are encoded by what training rows say, and what was learned survives JSON."""

import json
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from cotrain.errors import InputError
from cotrain.problem.encoding import Standardiser
from cotrain.problem.frames import table_columns
from cotrain.problem.table_encoder import TableEncoder


def frame(seed: int, rows: int = 40, *, gaps: bool = False) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "size": random.normal(5, 3, rows),
            "count": random.integers(0, 9, rows).astype(float),
            "flag": random.integers(0, 2, rows),
            "colour": random.choice(["red", "blue", "green"], rows),
        }
    )
    if gaps:
        table.loc[random.random(rows) < 0.3, "size"] = np.nan
        table.loc[random.random(rows) < 0.3, "colour"] = None
    return table


@given(st.integers(0, 1000))
@settings(max_examples=15, deadline=None)
def test_agrees_with_scikit_learn(seed: int) -> None:
    table, training = frame(seed), np.arange(40) < 25
    encoded = TableEncoder.fit(table_columns(table), training).transform(table)
    numeric = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    reference = ColumnTransformer(
        [
            ("numbers", numeric, ["size", "count"]),
            ("flags", "passthrough", ["flag"]),
            ("texts", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["colour"]),
        ]
    )
    np.testing.assert_allclose(encoded, reference.fit(table[training]).transform(table), atol=1e-5)


@given(st.integers(0, 1000), st.booleans())
@settings(max_examples=15, deadline=None)
def test_rows_outside_training_change_nothing(seed: int, gaps: bool) -> None:
    table, training = frame(seed, gaps=gaps), np.arange(40) < 25
    other = table.copy()
    other.loc[25:, "size"] = 1e6
    other.loc[25:, "colour"] = "violet"
    first, second = (TableEncoder.fit(table_columns(one), training, impute=gaps) for one in (table, other))
    assert first == second
    np.testing.assert_array_equal(first.transform(table)[:25], second.transform(other)[:25])


@given(st.integers(0, 1000), st.booleans())
@settings(max_examples=15, deadline=None)
def test_survives_json_and_encodes_any_frame_alike(seed: int, gaps: bool) -> None:
    table = frame(seed, gaps=gaps)
    encoder = TableEncoder.fit(table_columns(table), np.ones(40, dtype=bool), impute=gaps)
    loaded = TableEncoder.from_dict(json.loads(json.dumps(encoder.to_dict())))
    assert loaded == encoder
    encoded = encoder.transform(table)
    assert encoded.shape == (40, len(encoder.features))
    as_lists = {name: table[name].astype(object).where(table[name].notna(), None).tolist() for name in table}
    for same in (pl.DataFrame(as_lists), as_lists, table[table.columns[::-1]]):
        np.testing.assert_array_equal(loaded.transform(same), encoded)


def test_gaps_become_the_median_and_a_mark() -> None:
    columns = table_columns({"a": [1.0, 3.0, 8.0, None], "b": ["x", None, "x", "x"]})
    encoder = TableEncoder.fit(columns, np.ones(4, dtype=bool), impute=True)
    assert encoder.features == ("a", "a is empty", "b=", "b=x")
    assert encoder.medians == (3.0,)
    assert encoder.transform(columns)[:, 1:].tolist() == [[0, 0, 1], [0, 1, 0], [0, 0, 1], [1, 0, 1]]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"age": [1.0]}, "`inputs` names 'colour', which does not exist"),
        ({"age": [None], "colour": ["red"]}, r"must not have empty cells .NaN.. Found 1 in 'age'"),
        (
            {"age": ["old"], "colour": ["red"]},
            "must not hold text in a numeric column. 'age' does, first in row 1: 'old'",
        ),
        ({"age": [np.inf], "colour": ["red"]}, "must be finite. 'age' is infinite, first in row 1"),
    ],
)
def test_new_rows_that_cannot_be_encoded(rows: dict[str, Any], message: str) -> None:
    columns = table_columns({"age": [20.0, 40.0], "colour": ["red", "blue"]})
    encoder = TableEncoder.fit(columns, np.ones(2, dtype=bool))
    with pytest.raises(InputError, match=message):
        encoder.transform(rows)


@given(st.integers(0, 1000), st.integers(1, 5))
@settings(max_examples=20, deadline=None)
def test_standardised_matrices(seed: int, features: int) -> None:
    random = np.random.default_rng(seed)
    matrix = np.hstack([random.normal(3, 7, (30, features)), np.full((30, 1), 4.2), random.integers(0, 2, (30, 1))])
    standardiser = Standardiser.fit(matrix[:20])
    encoded = standardiser.transform(matrix)
    np.testing.assert_allclose(encoded[:20, :features].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(encoded[:20, :features].std(axis=0), 1, atol=1e-4)
    np.testing.assert_allclose(encoded[:, features], 0, atol=1e-6)
    np.testing.assert_array_equal(encoded[:, -1], matrix[:, -1])
    assert Standardiser.from_dict(json.loads(json.dumps(standardiser.to_dict()))) == standardiser


def test_one_broken_reading_is_held_within_ten_deviations() -> None:
    standardiser = Standardiser.fit(np.array([[-1.0, 0.0], [1.0, 1.0]]))
    assert standardiser.transform(np.array([[177.0, 5.0], [-1e9, 0.0]])).tolist() == [[10, 5], [-10, 0]]
