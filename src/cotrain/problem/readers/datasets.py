"""Problems whose tasks have data of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import TensorDataset

from cotrain.checks import Findings
from cotrain.errors import InputError
from cotrain.problem.columns import Column, as_array, as_column, is_text
from cotrain.problem.encoding import Encoder
from cotrain.problem.problem import SPLITS, NetworkFactory, Problem
from cotrain.problem.readers.arrays import dense_inputs, matrix_encoder
from cotrain.problem.readers.assembly import Draft, Encode, read_targets
from cotrain.problem.readers.options import ReaderOptions
from cotrain.problem.rows import Inputs
from cotrain.problem.targets import infer_kind

OwnRows: TypeAlias = tuple[NDArray[Any], Column, NDArray[np.int8] | None]
"""Inputs, labels and, where given, split codes of one task."""


def read_datasets(
    data: Mapping[str, Any],
    options: ReaderOptions,
    *,
    build: NetworkFactory | None = None,
    standardise: bool = True,
    features: Sequence[str] | None = None,
    classes: Mapping[str, int] | None = None,
    recipe: Mapping[str, Any] | None = None,
) -> Problem:
    """Return the problem of one data set per task; see ``Problem.from_datasets``."""
    found = Findings()
    own: dict[str, OwnRows] = {}
    for name, part in data.items():
        with found.gather():
            own[str(name)] = _own_rows(str(name), part)
    _note_unlike(own, build, found)
    if options.split is not None:
        found.append(
            "`split` cannot be used with `data` per task. Give {'train': ..., 'validation': ..., 'test': ...}."
        )
    found.refuse()
    inputs = np.concatenate([part[0] for part in own.values()])
    columns = spread({name: part[1] for name, part in own.items()})
    splits = [part[2] for part in own.values() if part[2] is not None]
    kinds = {name: options.kind_of(name) or infer_kind(labels) for name, (_, labels, _) in own.items()}
    options = replace(options, split=np.concatenate(splits) if splits else None, kinds=kinds)
    targets = read_targets(columns, options, found, classes)
    encode = _encoder(inputs, features, standardise=standardise)
    return Draft(len(inputs), targets, encode, options, build, recipe or {}).assemble(found)


def _own_rows(name: str, part: Any) -> OwnRows:
    if not isinstance(part, Mapping):
        return (*_inputs_and_labels(name, part), None)
    if set(part) != set(SPLITS):
        raise InputError(f"`data` of task '{name}' must hold {', '.join(SPLITS)}. Found {sorted(map(str, part))}.")
    pairs = [_inputs_and_labels(name, part[split]) for split in SPLITS]
    codes = np.repeat(np.arange(len(SPLITS), dtype=np.int8), [len(labels) for _, labels in pairs])
    labels = as_column([value for _, column in pairs for value in column.tolist()])
    return np.concatenate([inputs for inputs, _ in pairs]), labels, codes


def _inputs_and_labels(name: str, part: Any) -> tuple[NDArray[Any], Column]:
    if isinstance(part, TensorDataset):
        part = part.tensors
    if not isinstance(part, tuple | list):
        part = _drawn(name, part)
    if len(part) != 2:
        raise InputError(f"`data` of task '{name}' must be (inputs, labels). Found {len(part)} parts.")
    inputs, labels = part
    inputs = dense_inputs("data", inputs) if hasattr(inputs, "toarray") else as_array(inputs)
    if len(inputs) != len(labels):
        raise InputError(
            f"`data` of task '{name}' must have as many labels as inputs. Found {len(labels)} and {len(inputs)}."
        )
    return inputs, as_column(labels)


def _drawn(name: str, dataset: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return all items of a data set that yields (input, label)."""
    try:
        items = [dataset[i] for i in range(len(dataset))]
        return np.stack([as_array(item[0]) for item in items]), np.array([as_array(item[1])[()] for item in items])
    except (TypeError, ValueError, IndexError, KeyError) as error:
        raise InputError(
            f"`data` of task '{name}' must be (inputs, labels) or a data set of such pairs, with a length and inputs "
            f"of one shape ({error})."
        ) from None


def _note_unlike(own: Mapping[str, OwnRows], build: NetworkFactory | None, found: Findings) -> None:
    shapes = {name: inputs.shape[1:] for name, (inputs, _, _) in own.items()}
    if not own:
        found.append("`data` must hold at least one task. Found none.")
    if len(set(shapes.values())) > 1:
        listed = ", ".join(f"{shape} in '{name}'" for name, shape in list(shapes.items())[:10])
        found.append(f"`data` must hold inputs of one shape for all tasks. Found {listed}.")
    elif own and build is None and len(next(iter(shapes.values()))) != 1:
        found.append(
            f"`build` must be given for inputs of shape {next(iter(shapes.values()))}: the default network takes "
            "rows of features."
        )
    note_partial_splits({name: codes for name, (_, _, codes) in own.items()}, found)


def note_partial_splits(codes: Mapping[str, NDArray[np.int8] | None], found: Findings) -> None:
    """Note when some tasks come with splits and others without."""
    given = [name for name, own in codes.items() if own is not None]
    if given and len(given) < len(codes):
        found.append(f"`data` must give splits for all tasks or for none. Found them for {len(given)} of {len(codes)}.")


def spread(own: Mapping[str, Column]) -> dict[str, Column]:
    """Return columns over the rows of all tasks, missing where a row belongs to another task."""
    rows, start = sum(map(len, own.values())), 0
    columns: dict[str, Column] = {}
    for name, labels in own.items():
        column = np.full(rows, None, dtype=object) if is_text(labels) else np.full(rows, np.nan)
        column[start : start + len(labels)] = labels
        columns[name] = column
        start += len(labels)
    return columns


def _encoder(inputs: NDArray[Any], features: Sequence[str] | None, *, standardise: bool) -> Encode:
    if inputs.ndim == 2:
        names = features if features is not None else [str(i) for i in range(inputs.shape[1])]
        return matrix_encoder(dense_inputs("data", inputs), names, standardise=standardise)

    def encode(_: NDArray[np.bool_]) -> tuple[Inputs, Encoder | None]:
        if not np.isfinite(inputs).all():
            raise InputError("`data` must hold finite inputs. Found NaN or infinity.")
        return torch.from_numpy(inputs), None

    return encode
