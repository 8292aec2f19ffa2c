"""Problems with a network, losses and tensors of the user's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cotrain import checks
from cotrain.checks import Findings
from cotrain.errors import InputError
from cotrain.problem.columns import as_array
from cotrain.problem.encoding import Encoder
from cotrain.problem.problem import SPLITS, NetworkFactory, Problem
from cotrain.problem.readers.assembly import Draft, Encode
from cotrain.problem.readers.options import ReaderOptions
from cotrain.problem.rows import Inputs
from cotrain.problem.targets import Target
from cotrain.problem.task import Task


def read_module(build: NetworkFactory, tasks: Sequence[Task], data: Any, options: ReaderOptions) -> Problem:
    """Return the problem of a user's own network; see ``Problem.from_module``."""
    found = Findings()
    with found.gather():
        checks.unique("tasks", [task.name for task in tasks])
    if isinstance(data, Mapping):
        inputs, matrix, options = _joined(data, options)
    else:
        inputs, matrix = _pair("data", data)
    lengths = {f"inputs.{name}".rstrip("."): len(part) for name, part in _parts(inputs).items()}
    split = {} if options.split is None else {"split": len(options.split)}
    checks.same_rows({**lengths, "targets": len(matrix), **split})
    if matrix.shape[1] != len(tasks):
        raise InputError(f"`targets` must have one column for each of {len(tasks)} tasks. Found {matrix.shape[1]}.")
    targets = []
    for i, task in enumerate(tasks):
        with found.gather():
            targets.append(_checked_target(task, matrix[:, i]))
    return Draft(len(matrix), targets, _checked(inputs), options, build).assemble(found)


def _joined(data: Mapping[str, Any], options: ReaderOptions) -> tuple[Inputs, NDArray[np.float64], ReaderOptions]:
    """Bring the splits of ``data`` together, with codes that tell them apart."""
    if set(data) != set(SPLITS) or options.split is not None:
        raise InputError(
            f"`data` must be (inputs, targets), or such a pair for each of {', '.join(SPLITS)} and then no `split`. "
            f"Found {sorted(map(str, data))}."
        )
    pairs = [_pair(f"data.{split}", data[split]) for split in SPLITS]
    parts = [_parts(inputs) for inputs, _ in pairs]
    shapes = {tuple((name, part.shape[1:]) for name, part in sorted(split.items())) for split in parts}
    if len(shapes) > 1 or len({matrix.shape[1] for _, matrix in pairs}) > 1:
        raise InputError("`data` must hold inputs and targets of the same names and shapes in every split.")
    joined = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    codes = np.repeat(np.arange(len(SPLITS)), [len(matrix) for _, matrix in pairs])
    inputs = joined[""] if isinstance(pairs[0][0], Tensor) else joined
    return inputs, np.concatenate([matrix for _, matrix in pairs]), replace(options, split=codes)


def _pair(parameter: str, pair: Any) -> tuple[Inputs, NDArray[np.float64]]:
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise InputError(f"`{parameter}` must be a pair (inputs, targets). Found {type(pair).__name__}.")
    inputs, targets = pair
    matrix = as_array(targets).astype(np.float64)
    matrix = matrix[:, None] if matrix.ndim == 1 else matrix
    if matrix.ndim != 2:
        raise InputError(f"`{parameter}` must have targets (rows, tasks). Found shape {matrix.shape}.")
    if isinstance(inputs, Mapping):
        return {str(name): torch.as_tensor(part) for name, part in inputs.items()}, matrix
    return torch.as_tensor(inputs), matrix


def _parts(inputs: Inputs) -> dict[str, Tensor]:
    return {"": inputs} if isinstance(inputs, Tensor) else dict(inputs)


def _checked_target(task: Task, values: NDArray[np.float64]) -> Target:
    """Refuse classes that are not codes and infinity; a task with a loss of its own may hold any number."""
    present = values[~np.isnan(values)]
    if np.isinf(present).any():
        raise InputError(f"`targets` must be finite. '{task.name}' holds infinity.")
    if task.loss is None and task.kind != "regression":
        codes = [1] if task.kind == "sequence" else range(task.classes if task.kind == "multiclass" else 2)
        wrong = np.setdiff1d(present, codes)
        if len(wrong):
            raise InputError(
                f"`targets` of a {task.kind} task must be codes from {codes[0]}. '{task.name}' holds {wrong[0]:g}. "
                "Recode them or change the task's kind or classes."
            )
    return Target(task, values)


def _checked(inputs: Inputs) -> Encode:
    """Return what passes inputs through as they are, once they are known to be finite."""

    def encode(_: NDArray[np.bool_]) -> tuple[Inputs, Encoder | None]:
        wrong = [name for name, part in _parts(inputs).items() if not bool(torch.isfinite(part).all())]
        if wrong:
            raise InputError(
                f"`inputs` must be finite. Found NaN or infinity{' in ' if wrong[0] else ''}{', '.join(wrong)}."
            )
        return inputs, None

    return encode
