"""A table is the same problem whatever it is kept in."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from cotrain.errors import InputError, MissingExtraError
from cotrain.problem import Problem
from cotrain.problem.frames import table_columns
from cotrain.problem.readers.toml import read_recipe
from cotrain.problem.table_encoder import TableEncoder

from .examples import TARGETS, same_problem, table


@pytest.fixture(params=["frame", "polars", "mapping", "csv", "csv.gz", "tsv", "parquet"])
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    frame = table()
    path = tmp_path / f"patients.{request.param}"
    match request.param:
        case "frame":
            return frame
        case "polars":
            return pl.DataFrame(
                {name: frame[name].astype(object).where(frame[name].notna(), None).tolist() for name in frame}
            )
        case "mapping":
            return {name: frame[name] for name in frame}
        case "parquet":
            frame.to_parquet(path)
        case _:
            frame.to_csv(path, index=False, sep="\t" if "tsv" in request.param else ",")
    return path


@pytest.mark.parametrize("split", ["part", None])
def test_every_form_of_a_table_gives_one_problem(stored: Any, split: str | None) -> None:
    options: dict[str, Any] = {"targets": TARGETS, "ignore": [] if split else ["part"], "split": split}
    problem = Problem.from_table(stored, **options)
    assert same_problem(problem, Problem.from_table(table(), **options))
    assert [task.kind for task in problem.tasks] == ["binary", "multiclass", "regression"]
    assert problem.name == ("patients" if isinstance(stored, Path) else "problem")


def test_numbers_alone_are_what_arrays_give() -> None:
    frame = table()
    numbers = frame[["age", "visits"]].to_numpy(np.float64)
    by_table = Problem.from_table(frame, targets=["score"], inputs=["age", "visits"])
    by_arrays = Problem.from_arrays(numbers, frame["score"], tasks=["score"])
    assert same_problem(by_table, by_arrays)


def test_new_rows_are_encoded_like_old_ones() -> None:
    frame = table()
    problem = Problem.from_table(frame, targets=TARGETS, split="part")
    assert isinstance(problem.encoder, TableEncoder)
    assert problem.encoder.features == ("age", "visits", "colour=blue", "colour=green", "colour=red")
    np.testing.assert_array_equal(problem.encoder.transform(frame[frame["part"] == 2]), problem.splits["test"].inputs)


def test_gaps_are_refused_or_imputed() -> None:
    frame = table()
    frame.loc[::4, "age"] = np.nan
    with pytest.raises(InputError, match=r"Found 23 in 'age'.*missing_inputs='impute'"):
        Problem.from_table(frame, targets=TARGETS, split="part")
    problem = Problem.from_table(frame, targets=TARGETS, split="part", missing_inputs="impute")
    assert isinstance(problem.encoder, TableEncoder)
    assert "age is empty" in problem.encoder.features


def test_parquet_without_pyarrow_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.parquet"
    table().to_parquet(path)
    monkeypatch.setattr("cotrain.problem.frames.find_spec", lambda name: None)  # noqa: ARG005
    with pytest.raises(MissingExtraError, match=r"pip install 'cotrain\[parquet\]'"):
        Problem.from_table(path, targets=TARGETS)


def test_polars_needs_no_pyarrow(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pl.DataFrame({"a": [1, 2, None], "b": ["x", None, "z"], "c": [0.5, None, 1.5], "d": [True, False, True]})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert {name: column.dtype.kind for name, column in table_columns(frame).items()} == dict(
        zip("abcd", "fOfb", strict=True)
    )


def test_the_recipe_reads_the_same_again(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    table().to_csv(path, index=False)
    for options in (
        {"split": "part"},
        {"ignore": ["part"], "seed": 3, "helpers": ["ward"], "metrics": {"score": "mae"}},
    ):
        problem = Problem.from_table(path, targets=TARGETS, **options)
        again = read_recipe(problem.recipe, Path("elsewhere"))
        assert again.fingerprint == problem.fingerprint
        assert again.recipe == problem.recipe


def test_dates_and_duplicate_columns_are_named() -> None:
    frame = table().assign(day=pd.Timestamp("2020-01-01"))
    with pytest.raises(InputError, match="'day' holds dates"):
        Problem.from_table(frame, targets=TARGETS, split="part")
    doubled = pd.concat([table(), table()[["age"]]], axis=1)
    with pytest.raises(InputError, match=r"`columns` must not repeat a name. Found 'age' 2 times"):
        Problem.from_table(doubled, targets=TARGETS)
