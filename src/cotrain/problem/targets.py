"""From a column to a task's targets: what kind it is, and its values as codes or numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cotrain.errors import InputError
from cotrain.problem.columns import Column, as_numbers, first_text, is_missing, is_text, stray_text
from cotrain.problem.task import Kind, Task

MOST_CLASSES = 20
"""More distinct whole numbers than this are a regression unless declared otherwise."""


@dataclass(frozen=True, eq=False)
class Target:
    """A task and its values for all rows: class codes or numbers, NaN where missing."""

    task: Task
    values: NDArray[np.float64]

    def standardised(self, training: NDArray[np.bool_]) -> Target:
        """Return a regression target with mean 0 and deviation 1 over the observed training rows.

        Classes and targets with a loss of their own stay as they are.
        """
        if self.task.kind != "regression" or self.task.loss is not None:
            return self
        seen = self.values[training & ~np.isnan(self.values)]
        center, scale = float(seen.mean()), float(seen.std()) or 1.0
        return Target(replace(self.task, center=center, scale=scale), (self.values - center) / scale)


def infer_kind(column: Column) -> Kind:
    """Return what a target most likely is.

    At most two values: binary. Text: multiclass. Integers with few values (at most 20, and ten rows for each):
    multiclass; so are whole floats with gaps, since that is how pandas keeps integers with gaps. Else regression.

    Examples
    --------
    >>> infer_kind(np.array(["no", "yes", None], dtype=object)), infer_kind(np.arange(60) % 3)
    ('binary', 'multiclass')
    >>> infer_kind(np.linspace(0, 1, 60)), infer_kind(np.arange(60))
    ('regression', 'regression')
    """
    missing = is_missing(column)
    present = column[~missing]
    distinct = len(np.unique(present))
    if distinct <= 2 and stray_text(column) is None:
        return "binary"
    if is_text(column):
        return "regression" if stray_text(column) else "multiclass"
    integers = column.dtype.kind in "iu" or (missing.any() and bool(np.all(present % 1 == 0)))
    return "multiclass" if integers and distinct <= min(MOST_CLASSES, len(present) // 10) else "regression"


def read_target(name: str, column: Column, kind: Kind | None = None, classes: int | None = None) -> Target:
    """Return the task a column makes and its values.

    Parameters
    ----------
    name
        Of the task.
    column
        Its labels for all rows.
    kind
        Inferred by :func:`infer_kind` when None.
    classes
        Number of classes where the column holds codes ``0..classes - 1``, some of which may not occur.

    Raises
    ------
    InputError
        When the values do not fit the kind.

    Examples
    --------
    >>> target = read_target("smokes", np.array(["no", "yes", None], dtype=object))
    >>> target.task.labels, target.values.tolist()
    (('no', 'yes'), [0.0, 1.0, nan])
    """
    if column.dtype.kind in "mM":
        raise InputError(f"`targets` must hold numbers, text or booleans. '{name}' holds dates. Convert them first.")
    if column.dtype.kind == "f" and np.isinf(column).any():
        row = int(np.argmax(np.isinf(column)))
        raise InputError(f"`targets` must be finite. '{name}' is infinite, first in row {row + 1}.")
    kind = kind or infer_kind(column)
    if kind == "sequence":
        raise InputError(
            f"`kinds` must not be 'sequence' for a column. '{name}' is. Use Problem.from_texts, or Problem.from_module "
            "with a network that returns margins."
        )
    if kind == "regression":
        return Target(Task(name, "regression"), _numbers(name, column))
    values, labels = _codes(column)
    if classes is not None:
        values, labels = _given_codes(name, column, classes), tuple(map(str, range(classes)))
    _check_classes(name, column, kind, labels)
    return Target(Task(name, kind, classes=max(2, len(labels)), labels=labels), values)


def _numbers(name: str, column: Column) -> NDArray[np.float64]:
    stray = first_text(column)
    if stray is not None:
        row, text = stray
        raise InputError(
            f"`targets` of kind regression must be numbers. '{name}' holds text, first in row {row + 1}: {text!r}. "
            "Correct or empty that cell, or declare another kind."
        )
    return as_numbers(column)


def _codes(column: Column) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    present = ~is_missing(column)
    distinct, codes = np.unique(column[present], return_inverse=True)
    values = np.full(len(column), np.nan)
    values[present] = codes
    return values, tuple(_label(value) for value in distinct.tolist())


def _label(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _given_codes(name: str, column: Column, classes: int) -> NDArray[np.float64]:
    values = as_numbers(column)
    wrong = np.flatnonzero(~is_missing(column) & ~np.isin(values, np.arange(classes)))
    if len(wrong):
        raise InputError(
            f"`targets` with {classes} classes must hold codes 0..{classes - 1}. "
            f"'{name}' holds {column[wrong[0]]} in row {wrong[0] + 1}."
        )
    return values


def _check_classes(name: str, column: Column, kind: Kind, labels: tuple[str, ...]) -> None:
    if kind == "binary" and len(labels) > 2:
        raise InputError(
            f"`targets` of kind binary must have two values. '{name}' has {len(labels)}, such as "
            f"{', '.join(map(repr, labels[:4]))}. Declare it multiclass or regression."
        )
    if kind == "multiclass" and column.dtype.kind == "f" and not np.all(column[~np.isnan(column)] % 1 == 0):
        raise InputError(
            f"`targets` of kind multiclass must be text or whole numbers. '{name}' holds fractions. "
            "Declare it regression."
        )
    present = int((~is_missing(column)).sum())
    if kind == "multiclass" and len(labels) > max(MOST_CLASSES, present // 2):
        raise InputError(
            f"`targets` of kind multiclass must repeat their classes. '{name}' has {len(labels)} values in {present} "
            "rows. Leave it out or declare it regression."
        )
