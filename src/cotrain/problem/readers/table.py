"""Problems from tables: data frames, CSV, Parquet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from cotrain import checks
from cotrain.checks import Findings
from cotrain.errors import InputError
from cotrain.problem.columns import Column
from cotrain.problem.encoding import Encoder
from cotrain.problem.frames import table_columns
from cotrain.problem.problem import Problem
from cotrain.problem.readers.assembly import Draft, Encode, read_targets
from cotrain.problem.readers.options import ReaderOptions
from cotrain.problem.rows import Inputs
from cotrain.problem.table_encoder import TableEncoder
from cotrain.problem.validation import empty_cells, listed, unfit_inputs, unknown_names

MissingInputs = Literal["refuse", "impute"]


def read_table(
    data: Any,
    options: ReaderOptions,
    *,
    targets: Sequence[str],
    inputs: Sequence[str] | None = None,
    ignore: Sequence[str] = (),
    missing_inputs: MissingInputs = "refuse",
) -> Problem:
    """Return the problem of a table; see ``Problem.from_table``."""
    checks.one_of("missing_inputs", missing_inputs, ("refuse", "impute"))
    _refuse_one_text(targets=targets, inputs=inputs, ignore=ignore)
    columns = table_columns(data)
    split = options.split_name
    reserved = {*targets, *ignore, *([split] if split else [])}
    chosen = list(inputs) if inputs is not None else [name for name in columns if name not in reserved]
    found = _name_faults(columns, targets, chosen, ignore, split)
    used = {name: columns[name] for name in chosen if name in columns and name not in reserved}
    if not used:
        found.refuse()
    recipe: dict[str, Any] = {"targets": list(targets), "inputs": chosen, "missing_inputs": missing_inputs}
    name = options.name
    if isinstance(data, str | Path):
        recipe["data"], name = str(Path(data).resolve()), name or Path(data).name.split(".")[0]
    if split:
        recipe["split"] = split
    labels = {target: columns[target] for target in targets if target in columns}
    draft = Draft(
        len(next(iter(columns.values()))),
        read_targets(labels, options, found),
        _table_encoder(used, impute=missing_inputs == "impute"),
        replace(options, split=columns.get(split) if split else None, name=name),
        recipe=recipe,
    )
    return draft.assemble(found)


def _refuse_one_text(**parameters: Sequence[str] | None) -> None:
    for parameter, names in parameters.items():
        if isinstance(names, str):
            raise InputError(f"`{parameter}` must be a list of names. Found one text: {names!r}.")


def _name_faults(
    columns: Mapping[str, Column],
    targets: Sequence[str],
    inputs: Sequence[str],
    ignore: Sequence[str],
    split: str | None,
) -> Findings:
    found = Findings()
    named = {"targets": targets, "inputs": inputs, "ignore": ignore, "split": [split] if split else []}
    for parameter, names in named.items():
        found.extend(unknown_names(parameter, names, columns))
        with found.gather():
            checks.unique(parameter, names)
    both = [name for name in inputs if name in {*targets, *ignore, split}]
    if both:
        found.append(f"`inputs` must not hold targets, ignored columns or the split column. Found {listed(both)}.")
    for parameter in ("targets", "inputs"):
        if not named[parameter]:
            found.append(f"`{parameter}` must name at least one column. Found none.")
    return found


def _table_encoder(columns: Mapping[str, Column], *, impute: bool) -> Encode:
    """Return what encodes input columns: checked first, learned on training rows."""

    def encode(training: NDArray[np.bool_]) -> tuple[Inputs, Encoder]:
        problems = [*unfit_inputs(columns), *([] if impute else empty_cells(columns))]
        if problems:
            raise InputError(problems)
        encoder = TableEncoder.fit(columns, training, impute=impute)
        return torch.from_numpy(encoder.transform(columns)), encoder

    return encode
