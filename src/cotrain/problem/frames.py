"""Tables of any kind as named columns: pandas, polars, a mapping of arrays, CSV, Parquet."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd

from cotrain import checks
from cotrain.errors import InputError, MissingExtraError
from cotrain.problem.columns import Column, as_column
from cotrain.problem.validation import existing_file

CSV_SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
PARQUET_SUFFIXES = (".parquet", ".pq")


def table_columns(data: Any) -> dict[str, Column]:
    """Return the columns of a table by name.

    Parameters
    ----------
    data
        A pandas or polars data frame, a mapping of columns, or the path of a CSV or Parquet file.

    Raises
    ------
    InputError
        When it is none of these, damaged, empty, or repeats a column name.
    MissingExtraError
        For a Parquet file without pyarrow.

    Examples
    --------
    >>> table_columns(pd.DataFrame({"a": [1, 2], "b": ["x", None]}))
    {'a': array([1, 2]), 'b': array(['x', None], dtype=object)}
    """
    frame = _read_file(existing_file("data", data)) if isinstance(data, str | Path) else data
    if isinstance(frame, Mapping):
        names = [str(name) for name in frame]
    elif hasattr(frame, "columns"):
        names = [str(name) for name in frame.columns]
    else:
        raise InputError(f"`data` must be a data frame, a mapping of columns or a file. Found {type(data).__name__}.")
    checks.unique("columns", names)
    columns = {str(name): as_column(frame[name]) for name in (frame if isinstance(frame, Mapping) else frame.columns)}
    checks.same_rows({name: len(column) for name, column in columns.items()})
    if not columns or not len(next(iter(columns.values()))):
        raise InputError("`data` must have rows and columns. Found an empty table.")
    return columns


def _read_file(path: Path) -> Any:
    if path.name.endswith(PARQUET_SUFFIXES):
        if find_spec("pyarrow") is None:
            raise MissingExtraError("reading Parquet files", extra="parquet")
        return _parsed(path, lambda: pd.read_parquet(path))
    if path.name.endswith(CSV_SUFFIXES):
        return _parsed(path, lambda: _read_csv(path))
    raise InputError(
        f"`data` must be a table ({', '.join(CSV_SUFFIXES + PARQUET_SUFFIXES)}). Found '{path.name}'. "
        "NPZ files are read by Problem.from_npz."
    )


def _read_csv(path: Path) -> pd.DataFrame:
    """Read a CSV file; its header is read apart since pandas renames repeated columns."""
    separator = "\t" if ".tsv" in path.name else ","
    header = pd.read_csv(path, sep=separator, header=None, nrows=1, dtype=str, keep_default_na=False)
    checks.unique("columns", header.iloc[0].tolist())
    return pd.read_csv(path, sep=separator, low_memory=False)


def _parsed(path: Path, read: Any) -> Any:
    try:
        return read()
    except InputError:
        raise
    except (ValueError, OSError) as error:
        raise InputError(f"`data` must be a whole table. '{path}' cannot be read: {error}.") from None
