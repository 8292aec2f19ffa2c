"""What every grouper does before and after: a clean symmetric matrix in, a partition of named tasks out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from cotrain import checks
from cotrain.affinity.affinity import Affinity
from cotrain.errors import InputError
from cotrain.grouping.grouping import Grouping

Matrix: TypeAlias = NDArray[np.float64]
Labels: TypeAlias = NDArray[np.int64]
"""Group number of each task, tasks in alphabetical order."""
Diagonal: TypeAlias = Literal["zero", "keep"]
Unknown: TypeAlias = Literal["refuse", "zero", "row-mean"]

_SHOWN = 3


@dataclass(frozen=True)
class MatrixOptions:
    """How an affinity becomes the matrix that is grouped.

    Parameters
    ----------
    diagonal
        What a task alone is worth: ``"zero"`` (right for gains: alone, nothing is gained) or ``"keep"`` (as given).
    unknown
        Pairs never seen together (NaN): ``"refuse"``, or count them as ``"zero"`` or as the ``"row-mean"`` of what the
        target is known to receive.
    """

    diagonal: Diagonal = "zero"
    unknown: Unknown = "refuse"

    def __post_init__(self) -> None:
        checks.one_of("diagonal", self.diagonal, get_args(Diagonal))
        checks.one_of("unknown", self.unknown, get_args(Unknown))

    def directed(self, affinity: Affinity) -> Matrix:
        """Return the matrix with tasks in alphabetical order, so that the order of tasks cannot matter.

        Raises
        ------
        InputError
            When there is no task, an entry is infinite, or an unknown entry is refused.
        """
        if not affinity.tasks:
            raise InputError("`affinity` must hold at least one task. Found none.")
        order = np.argsort(np.array(affinity.tasks))
        matrix = affinity.matrix[np.ix_(order, order)].copy()
        if self.diagonal == "zero":
            np.fill_diagonal(matrix, 0.0)
        return known(matrix, sorted(affinity.tasks), self.unknown)

    def symmetric(self, affinity: Affinity) -> Matrix:
        """Return the mean of the two directions of :meth:`directed`: all that a sum over group members sees."""
        matrix = self.directed(affinity)
        return (matrix + matrix.T) / 2


def known(matrix: Matrix, tasks: Sequence[str], unknown: Unknown) -> Matrix:
    """Return the matrix with unknown (NaN) entries filled in, or refuse them by name."""
    if np.isinf(matrix).any():
        raise InputError(f"`affinity` must be finite. Found infinity for {_pairs(np.isinf(matrix), tasks)}.")
    missing = np.isnan(matrix)
    if not missing.any():
        return matrix
    if unknown == "refuse":
        raise InputError(
            f"`affinity` must know every pair. Unknown: {_pairs(missing, tasks)}. Estimate from more subsets, or pass "
            "unknown='row-mean' or unknown='zero'."
        )
    fill = _row_means(matrix) if unknown == "row-mean" else np.zeros(len(matrix))
    return np.where(missing, fill[:, None], matrix)


def partition(affinity: Affinity, labels: Labels, **fields: Any) -> Grouping:
    """Return the grouping that ``labels`` describe (tasks in alphabetical order), groups by their first member."""
    members: dict[int, list[str]] = {}
    for name, label in zip(sorted(affinity.tasks), labels.tolist(), strict=True):
        members.setdefault(label, []).append(name)
    groups = tuple(tuple(group) for group in members.values())
    position = {name: place for place, group in enumerate(groups) for name in group}
    return Grouping(affinity.tasks, groups, {name: position[name] for name in affinity.tasks}, **fields)


def overlapping(affinity: Affinity, members: NDArray[np.bool_], serving: Labels, **fields: Any) -> Grouping:
    """Return groups that may share tasks, from ``members (groups, tasks)`` and the group that serves each task.

    Tasks are in alphabetical order; equal groups are merged, groups come by their first members.
    """
    names = np.array(sorted(affinity.tasks))
    used = np.unique(serving)
    lacking, place = np.unique(~members[used], axis=0, return_inverse=True)
    position = dict(zip(names.tolist(), place.ravel()[np.searchsorted(used, serving)].tolist(), strict=True))
    groups = tuple(tuple(names[~row].tolist()) for row in lacking)
    return Grouping(affinity.tasks, groups, {name: position[name] for name in affinity.tasks}, **fields)


def refuse_more_groups_than_tasks(networks: int, tasks: int) -> None:
    """Refuse a number of groups that would leave one empty."""
    if networks > tasks:
        raise InputError(f"`networks` must be at most the number of tasks, {tasks}. Found {networks}.")


def refuse_more_tasks(tasks: int, most: int, what: str, instead: str) -> None:
    """Refuse more tasks than a method can take in reasonable time, and say what to use instead."""
    if tasks > most:
        raise InputError(f"`affinity` must hold at most {most} tasks for {what}. Found {tasks}. {instead}")


def _row_means(matrix: Matrix) -> Matrix:
    off = np.where(np.eye(len(matrix), dtype=bool), np.nan, matrix)
    seen = np.isfinite(off)
    mean: Matrix = np.where(seen, off, 0.0).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
    return mean


def _pairs(where: NDArray[np.bool_], tasks: Sequence[str]) -> str:
    found = [f"({tasks[target]}, {tasks[source]})" for target, source in np.argwhere(where)[:_SHOWN]]
    more = int(where.sum()) - len(found)
    return ", ".join(found) + (f" and {more} more" if more else "")
