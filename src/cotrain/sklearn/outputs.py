"""What each column of labels holds: its classes, or numbers, and what to predict where nothing can be learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils.multiclass import check_classification_targets

from cotrain.errors import InputError
from cotrain.problem.columns import as_column
from cotrain.problem.targets import Target, read_target
from cotrain.problem.task import Task


@dataclass(frozen=True, eq=False)
class Output:
    """One column of labels as it was fitted.

    Parameters
    ----------
    name
        Of the column.
    classes
        Sorted distinct labels in their own type; None for numbers.
    prior
        Frequencies of the classes, or the mean: the prediction where no network serves the column.
    constant
        Whether all labels are equal, so that there is nothing to learn.
    """

    name: str
    classes: NDArray[Any] | None
    prior: NDArray[np.float64]
    constant: bool

    def expected(self, rows: int) -> NDArray[np.float64]:
        """Return the prior for each of ``rows`` rows: probabilities ``(rows, classes)`` or means ``(rows,)``."""
        return np.tile(self.prior, (rows, 1)) if self.classes is not None else self.prior.repeat(rows)


def read_classes(name: str, column: NDArray[Any]) -> tuple[Output, Target]:
    """Read a column of classes; missing ones are None, NaN or NA.

    Raises
    ------
    InputError
        When the column is empty or mixes text with numbers.
    ValueError
        When it holds measurements rather than classes, as scikit-learn words it.
    """
    missing = np.asarray(pd.isna(column))
    present = _in_natural_type(_some(name, column[~missing]))
    if present.dtype.kind == "f" and np.isinf(present).any():
        raise InputError(f"`y` must be finite. '{name}' contains infinity.")
    try:
        check_classification_targets(present)
        classes, codes = np.unique(present, return_inverse=True)
    except TypeError:
        raise InputError(f"`y` must hold labels of one type. '{name}' mixes text and numbers.") from None
    values = np.full(len(column), np.nan)
    values[~missing] = codes
    task = Task(name) if len(classes) <= 2 else Task(name, "multiclass", classes=len(classes))
    return Output(name, classes, np.bincount(codes) / len(codes), len(classes) == 1), Target(task, values)


def read_numbers(name: str, column: NDArray[Any]) -> tuple[Output, Target]:
    """Read a column of measurements.

    Raises
    ------
    InputError
        When the column is empty, infinite, or holds text.
    """
    target = read_target(name, as_column(column), "regression")
    present = _some(name, target.values[~np.isnan(target.values)])
    return Output(name, None, present.mean(keepdims=True), bool(present.min() == present.max())), target


def _some(name: str, present: NDArray[Any]) -> NDArray[Any]:
    if not len(present):
        raise InputError(f"`y` must have labels in every column. '{name}' contains nothing but NaN. Leave it out.")
    return present


def _in_natural_type(present: NDArray[Any]) -> NDArray[Any]:
    """Return objects that are not text, such as those of nullable integers, in the type that NumPy gives them."""
    if present.dtype != object or any(isinstance(value, str) for value in present):
        return present
    return np.array(present.tolist())
