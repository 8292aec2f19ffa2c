"""One column of data, whatever it came as: numbers, or text with None where a value is missing."""

from __future__ import annotations

import numbers
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor

Column: TypeAlias = NDArray[Any]
"""One-dimensional: booleans, integers or floats (NaN: missing), or objects that are text or None."""

EXACT = 2**53
"""Whole numbers up to this are exact as floats."""


def as_array(values: Any) -> NDArray[Any]:
    """Return a NumPy array of a tensor, a sparse matrix, a series, a list or an array."""
    if isinstance(values, Tensor):
        return values.detach().cpu().numpy()
    return np.asarray(values.toarray() if hasattr(values, "toarray") else values)


def as_column(values: Any) -> Column:
    """Bring a column into one of its two forms: numbers, or text.

    Text in which every value reads as a number becomes numbers, as in a CSV file; empty text counts as missing.

    Examples
    --------
    >>> as_column(["1", "2"]), as_column([1, None]), as_column(["b", None])
    (array([1, 2]), array([ 1., nan]), array(['b', None], dtype=object))
    """
    array = as_array(values)
    if array.dtype.kind in "biufmM":
        return array
    array = array.astype(object)
    array[pd.isna(array) | (array == "")] = None
    truths = [isinstance(value, bool | np.bool_) for value in array]
    if all(truths):
        return array.astype(bool)
    if not any(truths) and all(value is None or isinstance(value, numbers.Real) for value in array):
        values = np.array([np.nan if value is None else float(value) for value in array])
        return _as_integers(values) if all(isinstance(value, numbers.Integral) for value in array) else values
    parsed = as_numbers(array)
    if not np.isnan(parsed[~is_missing(array)]).any():
        return _as_integers(parsed)
    return np.array([None if value is None else str(value) for value in array], dtype=object)


def _as_integers(values: NDArray[np.float64]) -> NDArray[Any]:
    """Return whole numbers as integers, which is what tells classes from measurements; anything else as it is."""
    exact = np.all(values % 1 == 0) and np.all(np.abs(values) <= EXACT)
    return values.astype(np.int64) if exact else values


def is_text(column: Column) -> bool:
    """Return whether the column holds text rather than numbers."""
    return column.dtype == object


def is_missing(column: Column) -> NDArray[np.bool_]:
    """Return where values are missing."""
    return np.asarray(pd.isna(column))


def as_numbers(column: Column) -> NDArray[np.float64]:
    """Return the values as floats, NaN where they are missing or are no number."""
    if not is_text(column):
        return column.astype(np.float64)
    texts = pd.Series([None if value is None else str(value) for value in column], dtype=object)
    return np.asarray(pd.to_numeric(texts, errors="coerce"), dtype=np.float64)


def stray_text(column: Column) -> tuple[int, str] | None:
    """Return row and value of the first text in a column whose values are mostly numbers, else None.

    Examples
    --------
    >>> stray_text(as_column([1.5, 2.5, "n.a.", 3.5])), stray_text(as_column(["red", "green", "7"]))
    ((2, 'n.a.'), None)
    """
    if not is_text(column):
        return None
    present = ~is_missing(column)
    unread = present & np.isnan(as_numbers(column))
    return first_text(column) if unread.sum() * 2 < present.sum() else None


def first_text(column: Column) -> tuple[int, str] | None:
    """Return row and value of the first value that is no number, else None."""
    if not is_text(column):
        return None
    unread = ~is_missing(column) & np.isnan(as_numbers(column))
    row = int(np.argmax(unread))
    return (row, str(column[row])) if unread.any() else None
