"""Problems from NPZ files: arrays under agreed names, never unpickled."""

from __future__ import annotations

import logging
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
from cotrain.problem.problem import SPLITS, Problem
from cotrain.problem.readers.arrays import read_arrays
from cotrain.problem.readers.datasets import read_datasets
from cotrain.problem.readers.options import ReaderOptions
from cotrain.problem.splitting import given_split
from cotrain.problem.targets import infer_kind
from cotrain.problem.task import Kind
from cotrain.problem.validation import existing_file, unknown_names

logger = logging.getLogger(__name__)
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
    if not {"edges", "edge_index"}.isdisjoint(arrays):
        logger.warning("The edges in '%s' are not used: `Problem.from_graph` and `--hops` read it as a graph.", path)
    names = [str(name) for name in arrays["tasks"]]
    wanted = [str(name) for name in targets] if targets is not None else names
    split = options.split_name or ("split" if "split" in arrays else None)
    _check_names(wanted, names, split, arrays)
    options = replace(options, name=options.name or path.stem, split=None)
    shared: dict[str, Any] = {
        "features": [str(name) for name in arrays["features"]] if "features" in arrays else None,
        "standardise": standardise,
        "classes": _classes(wanted, names, arrays),
        "recipe": {"data": str(path.resolve()), "targets": wanted, "standardise": standardise, **_named(split)},
    }
    codes = None if split is None else arrays[split]
    if "Y" not in arrays:
        return read_datasets(_own_data(arrays, wanted, names, codes), options, **shared)
    labels = label_matrix(arrays)[:, [names.index(name) for name in wanted]]
    options = replace(options, split=codes, kinds=_kinds(labels, wanted, shared["classes"], options))
    return read_arrays(_inputs(arrays), labels, options, tasks=wanted, **shared)


def load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Return all arrays of an NPZ file.

    Raises
    ------
    InputError
        When it is damaged, no NPZ file, or holds pickled objects.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
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


def label_matrix(arrays: Arrays) -> NDArray[Any]:
    """Return ``Y``, its bits unpacked where ``n_rows`` says that they were packed."""
    if "n_rows" not in arrays:
        return arrays["Y"]
    return np.unpackbits(arrays["Y"], axis=0)[: int(arrays["n_rows"])]


def _own_data(
    arrays: Arrays, wanted: Sequence[str], names: Sequence[str], codes: NDArray[Any] | None
) -> dict[str, Any]:
    """Return inputs and labels by task, and by split where there is one."""
    inputs = _inputs(arrays)

    def part(rows: NDArray[np.bool_]) -> tuple[NDArray[Any], NDArray[Any]]:
        return inputs[rows], arrays["y"][rows]

    own = {name: arrays["task_id"] == names.index(name) for name in wanted}
    if codes is None:
        return {name: part(rows) for name, rows in own.items()}
    split = given_split(codes)
    return {
        name: {which: part(rows & (split == code)) for code, which in enumerate(SPLITS)} for name, rows in own.items()
    }


def _kinds(
    labels: NDArray[Any], wanted: Sequence[str], classes: Mapping[str, int], options: ReaderOptions
) -> dict[str, Kind]:
    """Tell kinds by declaration, else by stored type: whole floats with gaps are numbers here, not classes."""
    kinds: dict[str, Kind] = {}
    for column, name in zip(labels.T, wanted, strict=True):
        inferred: Kind = "multiclass" if classes.get(name, 0) > 2 else infer_kind(column[~np.isnan(column)])
        kinds[name] = options.kind_of(name) or inferred
    return kinds


def _named(split: str | None) -> dict[str, str]:
    return {} if split is None else {"split": split}


def _classes(wanted: Sequence[str], names: Sequence[str], arrays: Arrays) -> dict[str, int]:
    if "n_classes" not in arrays:
        return {}
    counts = dict(zip(names, np.broadcast_to(arrays["n_classes"], len(names)).tolist(), strict=True))
    return {name: int(counts[name]) for name in wanted if counts[name] >= 2}
