"""What groupers share that split tasks by similarity: clean matrix, number of groups, value of the result."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np

from cotrain import checks
from cotrain.affinity.affinity import Affinity
from cotrain.errors import InputError
from cotrain.grouping.density.objective import density
from cotrain.grouping.density.rounding import with_groups
from cotrain.grouping.grouping import Grouping
from cotrain.grouping.matrices import (
    Diagonal,
    Labels,
    Matrix,
    MatrixOptions,
    Unknown,
    partition,
    refuse_more_groups_than_tasks,
)

Split: TypeAlias = Callable[[int], Labels]
"""Splits into so many groups, at least 2 and fewer than the tasks; fewer may come out."""


@dataclass(frozen=True)
class PartitionGrouper(ABC):
    """Splits the tasks by a symmetric matrix; without a given number of groups, the best average density decides.

    Parameters
    ----------
    networks
        Exact number of groups; None tries several and keeps the one of highest average density (in gain units these can
        be compared).
    max_networks
        Most groups that are tried.
    diagonal
        Worth of a task alone: ``"zero"`` (right for gains) or ``"keep"`` the matrix's diagonal.
    unknown
        Pairs never seen (NaN): ``"refuse"``, or count them as ``"zero"`` or as the target's ``"row-mean"``.
    seed
        Of everything random.
    """

    name: ClassVar[str]
    citation: ClassVar[str]

    networks: int | None = None
    max_networks: int = 20
    diagonal: Diagonal = "zero"
    unknown: Unknown = "refuse"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.networks is not None:
            checks.at_least("networks", self.networks, 1)
        checks.at_least("max_networks", self.max_networks, 1)
        self._options()

    def group(self, affinity: Affinity) -> Grouping:
        """Return the groups; their objective is the average density, without a bound.

        Raises
        ------
        InputError
            When the matrix has unknown or infinite entries, or there are fewer tasks than ``networks``.
        """
        matrix = self._options().symmetric(affinity)
        if self.networks is not None:
            refuse_more_groups_than_tasks(self.networks, len(matrix))
        labels = self._chosen(matrix)
        return partition(
            affinity,
            labels,
            objective=density(matrix, labels),
            proof="heuristic",
            method=self.name,
            citation=self.citation,
            diagnostics=self._diagnostics(matrix, sorted(affinity.tasks)),
        )

    @abstractmethod
    def _splitter(self, matrix: Matrix, most: int) -> Split:
        """Do once what all splits into up to ``most`` groups share, and return what splits."""

    def _diagnostics(self, matrix: Matrix, tasks: list[str]) -> Mapping[str, Any]:  # noqa: ARG002
        """Return what the method knows beyond the groups; ``tasks`` name the rows."""
        return {}

    def _chosen(self, matrix: Matrix) -> Labels:
        tasks = len(matrix)
        counts = [self.networks] if self.networks else [*range(1, min(self.max_networks, tasks - 1) + 1), tasks]
        trivial = {1: np.zeros(tasks, dtype=np.int64), tasks: np.arange(tasks)}
        proper = [groups for groups in counts if groups not in trivial]
        if proper:
            split = self._splitter(matrix, max(proper))
            trivial |= {groups: with_groups(matrix, split(groups), groups) for groups in proper}
        return max((trivial[groups] for groups in counts), key=lambda labels: density(matrix, labels))

    def _options(self) -> MatrixOptions:
        return MatrixOptions(self.diagonal, self.unknown)


def similarity(matrix: Matrix) -> Matrix:
    """Return the matrix shifted and scaled to ``[0, 1]`` off the diagonal, with ones on it.

    Raises
    ------
    InputError
        When there is a single task: it is similar to nothing.

    Examples
    --------
    >>> similarity(np.array([[0.0, -1.0, 1.0], [-1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])).tolist()
    [[1.0, 0.0, 1.0], [0.0, 1.0, 0.5], [1.0, 0.5, 1.0]]
    """
    if len(matrix) < 2:
        raise InputError("`affinity` must hold at least two tasks to compare them. Found one.")
    off = matrix[~np.eye(len(matrix), dtype=bool)]
    span = float(np.ptp(off))
    result = (matrix - off.min()) / span if span > 0 else np.ones_like(matrix)
    np.fill_diagonal(result, 1.0)
    return result
