"""Problems from arrays: one matrix of inputs, one of labels."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cotrain import checks
from cotrain.checks import Findings
from cotrain.errors import InputError
from cotrain.problem.columns import Column, as_array, as_column
from cotrain.problem.encoding import Encoder, Standardiser
from cotrain.problem.problem import Problem
from cotrain.problem.readers.assembly import Draft, Encode, read_targets
from cotrain.problem.readers.options import ReaderOptions
from cotrain.problem.rows import Inputs
from cotrain.problem.validation import infinite_inputs

logger = logging.getLogger(__name__)


def read_arrays(
    X: Any,
    Y: Any,
    options: ReaderOptions,
    *,
    tasks: Sequence[str] | None = None,
    features: Sequence[str] | None = None,
    standardise: bool = True,
    classes: Mapping[str, int] | None = None,
    recipe: Mapping[str, Any] | None = None,
) -> Problem:
    """Return the problem of one input matrix shared by all tasks; see ``Problem.from_arrays``."""
    found = Findings()
    matrix = dense_inputs("X", X)
    columns = label_columns(Y, tasks, found)
    found.refuse()
    checks.same_rows({"X": len(matrix), "Y": len(next(iter(columns.values()))), **split_length(options.split)})
    names = list(features) if features is not None else column_names(X) or [str(i) for i in range(matrix.shape[1])]
    encode = matrix_encoder(matrix, names, standardise=standardise)
    targets = read_targets(columns, options, found, classes)
    return Draft(len(matrix), targets, encode, options, recipe=recipe or {}).assemble(found)


def dense_inputs(parameter: str, X: Any) -> NDArray[Any]:
    """Return inputs as a dense matrix of numbers; sparse ones take ``rows * columns * 4`` bytes."""
    if hasattr(X, "toarray"):
        logger.info("%s: %d x %d takes %.0f MB when dense", parameter, *X.shape, X.shape[0] * X.shape[1] * 4e-6)
        X = X.astype(np.float32)
    matrix = as_array(X)
    if matrix.dtype.kind not in "biuf":
        try:
            matrix = matrix.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(f"`{parameter}` must hold numbers ({error}). Use Problem.from_table for text.") from None
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise InputError(f"`{parameter}` must be a matrix with rows and columns. Found shape {matrix.shape}.")
    return matrix if matrix.dtype in (np.float32, np.float64) else matrix.astype(np.float32)


def label_columns(Y: Any, tasks: Sequence[str] | None, found: Findings) -> dict[str, Column]:
    """Return the columns of ``Y`` by task name."""
    matrix = as_array(Y)
    matrix = matrix[:, None] if matrix.ndim == 1 else matrix
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise InputError(f"`Y` must be a matrix with rows and one column per task. Found shape {matrix.shape}.")
    given = tasks if tasks is not None else column_names(Y)
    names = [str(name) for name in given or numbered_tasks(matrix.shape[1])]
    if len(names) != matrix.shape[1]:
        raise InputError(f"`tasks` must name the {matrix.shape[1]} columns of `Y`. Found {len(names)} names.")
    with found.gather():
        checks.unique("tasks", names)
    matrix = np.asfortranarray(matrix)
    return {name: as_column(matrix[:, i]) for i, name in enumerate(names)}


def column_names(frame: Any) -> list[str] | None:
    """Return the column names of a data frame, None for anything else."""
    return [str(name) for name in frame.columns] if hasattr(frame, "columns") else None


def split_length(split: Any) -> dict[str, int]:
    """Return the length of a given split under its parameter's name, nothing where there is none."""
    return {} if split is None else {"split": len(split)}


def matrix_encoder(matrix: NDArray[Any], names: Sequence[str], *, standardise: bool) -> Encode:
    """Return what encodes a matrix of numbers: checked to be finite, then standardised on training rows."""

    def encode(training: NDArray[np.bool_]) -> tuple[Inputs, Encoder | None]:
        problems = list(infinite_inputs(names, matrix))
        if problems:
            raise InputError(problems)
        if not standardise:
            return torch.from_numpy(matrix.astype(np.float32)), None
        standardiser = Standardiser.fit(matrix[training])
        return torch.from_numpy(standardiser.transform(matrix)), standardiser

    return encode


def numbered_tasks(count: int) -> list[str]:
    """Return names for columns that have none: ``task0``, ``task1``, ..., with as many digits as the last needs."""
    digits = len(str(count - 1))
    return [f"task{i:0{digits}}" for i in range(count)]
