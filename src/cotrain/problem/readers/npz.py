"""Problems from NPZ files: arrays under agreed names, never unpickled."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cotrain import checks
from cotrain.checks import Findings
from cotrain.errors import InputError
from cotrain.problem.problem import Problem
from cotrain.problem.readers.arrays import read_arrays
from cotrain.problem.readers.options import ReaderOptions
from cotrain.problem.targets import infer_kind
from cotrain.problem.task import Kind
from cotrain.problem.validation import existing_file, unknown_names

Arrays = Mapping[str, NDArray[Any]]
LAYOUTS = (
    "`path` must hold `tasks`, `X` (or `X_packed` with `n_features`) and either `Y` (rows, tasks), or `y` with "
    "`task_id` where every task has rows of its own; beside them `split`, `n_classes`, `features` where known."
)


def read_npz(
    path: str | Path, options: ReaderOptions, *, targets: Sequence[str] | None = None, standardise: bool = True
) -> Problem:
    """Return the problem an NPZ file holds; see ``Problem.from_npz``."""
    path = existing_file("path", path)
    arrays = load_arrays(path)
    has_inputs = "X" in arrays or {"X_packed", "n_features"} <= set(arrays)
    if "tasks" not in arrays or not has_inputs or not ("Y" in arrays or {"y", "task_id"} <= set(arrays)):
        raise InputError(f"{LAYOUTS} '{path}' holds {sorted(arrays)}.")
    names = [str(name) for name in arrays["tasks"]]
    wanted = [str(name) for name in targets] if targets is not None else names
    split = options.split or ("split" if "split" in arrays else None)
    _check_names(wanted, names, split, arrays)
    index, rows = _rows(arrays, [names.index(name) for name in wanted])
    return read_arrays(
        _inputs(arrays)[rows],
        index,
        replace(
            options,
            kinds=_kinds(index, wanted, names, arrays, options),
            split=None if split is None else arrays[split][rows],
            name=options.name or path.stem,
        ),
        tasks=wanted,
        features=[str(name) for name in arrays["features"]] if "features" in arrays else None,
        standardise=standardise,
        classes=_classes(wanted, names, arrays),
        recipe={"data": str(path.resolve()), "targets": wanted, "standardise": standardise}
        | ({} if split is None else {"split": split}),
    )


def load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Return all arrays of an NPZ file.

    Raises
    ------
    InputError
        When it is damaged, no NPZ file, or holds pickled objects.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise InputError(f"`path` must be an NPZ file without pickled objects. '{path}': {error}.") from None


def _check_names(wanted: Sequence[str], names: Sequence[str], split: str | None, arrays: Arrays) -> None:
    found = Findings(unknown_names("targets", wanted, names))
    with found.gather():
        checks.unique("tasks", names)
    with found.gather():
        checks.unique("targets", wanted)
    if split is not None:
        found.extend(unknown_names("split", [split], list(arrays)))
    found.refuse()


def _inputs(arrays: Arrays) -> NDArray[Any]:
    if "X" in arrays:
        return arrays["X"]
    bits = np.unpackbits(arrays["X_packed"], axis=1)[:, : int(arrays["n_features"])]
    return bits.astype(np.float32)


def _rows(arrays: Arrays, wanted: Sequence[int]) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Return labels ``(rows, wanted)`` and which rows of the inputs they belong to."""
    if "Y" in arrays:
        labels = arrays["Y"]
        if "n_rows" in arrays:
            labels = np.unpackbits(labels, axis=0)[: int(arrays["n_rows"])]
        return labels[:, wanted], np.arange(len(labels))
    own = [np.flatnonzero(arrays["task_id"] == task) for task in wanted]
    rows = np.concatenate(own)
    labels = np.full((len(rows), len(wanted)), np.nan)
    labels[np.arange(len(rows)), np.repeat(np.arange(len(wanted)), [len(part) for part in own])] = arrays["y"][rows]
    return labels, rows


def _kinds(
    labels: NDArray[Any], wanted: Sequence[str], names: Sequence[str], arrays: Arrays, options: ReaderOptions
) -> dict[str, Kind]:
    """Tell kinds by the declared number of classes, else by type: fractions of any kind are stored as floats."""
    stored = arrays["Y" if "Y" in arrays else "y"].dtype
    classes = _classes(wanted, names, arrays)
    kinds: dict[str, Kind] = {}
    for column, name in zip(labels.T, wanted, strict=True):
        present = column[~np.isnan(column)].astype(stored) if column.dtype.kind == "f" else column
        by_count: Kind = "binary" if classes.get(name) == 2 else "multiclass"
        kinds[name] = options.kind_of(name) or (by_count if name in classes else infer_kind(present))
    return kinds


def _classes(wanted: Sequence[str], names: Sequence[str], arrays: Arrays) -> dict[str, int]:
    if "n_classes" not in arrays:
        return {}
    counts = dict(zip(names, np.broadcast_to(arrays["n_classes"], len(names)).tolist(), strict=True))
    return {name: int(counts[name]) for name in wanted if counts[name] >= 2}
