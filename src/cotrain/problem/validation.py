"""What makes data unfit to learn from, found before work starts."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cotrain import checks
from cotrain.errors import InputError
from cotrain.problem.columns import Column, as_numbers, first_text, is_missing, is_text, stray_text
from cotrain.problem.problem import SPLITS
from cotrain.problem.targets import Target

logger = logging.getLogger(__name__)
LISTED = 10
"""Names that a message lists before it counts the rest."""
MOST_CATEGORIES = 20
"""A text input with more values than this, most of them unique, is no category."""


def listed(names: Sequence[str]) -> str:
    """Return quoted names, the first ten of them.

    Examples
    --------
    >>> listed(["a", "b"])
    "'a', 'b'"
    """
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(map(repr, names[:LISTED])) + more


def existing_file(parameter: str, path: str | Path) -> Path:
    """Return the path of a file that exists.

    Raises
    ------
    InputError
        When there is none; it names the nearest file beside it.
    """
    path = Path(path)
    if not path.is_file():
        beside = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
        raise InputError(
            f"`{parameter}` must be a file. '{path}' does not exist.{checks.did_you_mean(path.name, beside)}"
        )
    return path


def unknown_names(parameter: str, names: Iterable[str], known: Collection[str]) -> Iterator[str]:
    """Yield a message for every name that is not known, with the nearest one that is."""
    for name in names:
        if name not in known:
            nearest = checks.did_you_mean(name, known) or f" Known: {listed(list(known))}."
            yield f"`{parameter}` names {name!r}, which does not exist.{nearest}"


def infinite_inputs(names: Sequence[str], matrix: NDArray[np.floating]) -> Iterator[str]:
    """Yield one message naming the columns that hold NaN or infinity and the first such row."""
    wrong = ~np.isfinite(matrix)
    columns = np.flatnonzero(wrong.any(axis=0)).tolist()
    if columns:
        row = int(np.argmax(wrong.any(axis=1)))
        yield (
            f"`inputs` must be finite. Found NaN or infinity in {int(wrong.any(axis=1).sum())} rows, first in row "
            f"{row + 1}, columns {listed([names[i] for i in columns])}. Fill or drop them."
        )


def unfit_inputs(columns: Mapping[str, Column], numbers: Collection[str] = ()) -> Iterator[str]:
    """Yield a message for every input column that cannot be encoded; those named in ``numbers`` must be numbers."""
    for name, column in columns.items():
        stray = first_text(column) if name in numbers else stray_text(column)
        if column.dtype.kind in "mM":
            yield f"`inputs` must hold numbers, text or booleans. '{name}' holds dates. Convert them first."
        elif stray is not None:
            yield (
                f"`inputs` must not hold text in a numeric column. '{name}' does, first in row {stray[0] + 1}: "
                f"{stray[1]!r}. Correct or empty that cell."
            )
        elif is_text(column) and _is_identifier(column):
            yield (
                f"`inputs` must repeat their categories. '{name}' holds an identifier or free text: "
                f"{len(set(column.tolist()))} values in {len(column)} rows. Leave it out (`ignore`)."
            )
        elif not is_text(column) and np.isinf(as_numbers(column)).any():
            row = int(np.argmax(np.isinf(as_numbers(column))))
            yield f"`inputs` must be finite. '{name}' is infinite, first in row {row + 1}. Correct that cell."


def empty_cells(columns: Mapping[str, Column]) -> Iterator[str]:
    """Yield one message naming the input columns with empty cells."""
    gaps = {name: int(is_missing(column).sum()) for name, column in columns.items()}
    wrong = [name for name, count in gaps.items() if count]
    if wrong:
        yield (
            f"`inputs` must not have empty cells (NaN). Found {sum(gaps.values())} in {listed(wrong)}. "
            "Fill them, or pass missing_inputs='impute' to use medians and a column that marks them."
        )


def _is_identifier(column: Column) -> bool:
    present = column[~is_missing(column)].tolist()
    return len(set(present)) > max(MOST_CATEGORIES, len(present) // 2)


def usable_targets(
    targets: Sequence[Target], split: NDArray[np.int8], unusable: Literal["refuse", "drop"]
) -> list[Target]:
    """Return the targets that can be learned and judged in every split.

    Each needs labels, at least two different ones, in training, validation and test rows, and no class in the latter
    two that training rows lack.

    Raises
    ------
    InputError
        When some cannot and ``unusable`` is ``"refuse"``, or none can.
    """
    faults = {target.task.name: fault for target in targets if (fault := _fault(target, split))}
    by_rule: dict[str, list[str]] = {}
    for name, fault in faults.items():
        by_rule.setdefault(fault, []).append(name)
    messages = [f"`targets` {rule}. Found: {listed(names)}." for rule, names in by_rule.items()]
    if faults and len(faults) == len(targets):
        raise InputError([*messages, "`targets` must leave at least one usable target. Found none."])
    if faults and unusable == "refuse":
        messages[-1] += " Correct the data, or pass unusable='drop' to leave such targets out."
        raise InputError(messages)
    for message in messages:
        logger.warning("Left out unusable targets: %s", message)
    return [target for target in targets if target.task.name not in faults]


def _fault(target: Target, split: NDArray[np.int8]) -> str:
    observed = ~np.isnan(target.values)
    count = int(observed.sum())
    if not count:
        return "must not be empty: every target needs labels"
    if count < len(SPLITS):
        return f"must have at least {len(SPLITS)} rows with a label, one for each split, not {count}"
    for code, name in enumerate(SPLITS):
        seen = target.values[observed & (split == code)]
        if not len(seen):
            return f"must have labels in the {name} rows, not all missing"
        if seen.min() == seen.max() and target.task.kind != "sequence":
            return f"must not be constant in the {name} rows"
    unlearned = np.setdiff1d(target.values[observed], target.values[observed & (split == 0)])
    if target.task.kind == "multiclass" and len(unlearned):
        return "must have every class of the validation and test rows in the training rows too"
    return ""
