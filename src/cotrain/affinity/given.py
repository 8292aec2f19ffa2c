"""What somebody knows already, as an estimator: a feature for calibration, or an affinity of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any, ClassVar

import numpy as np

from cotrain.affinity.affinity import Affinity
from cotrain.errors import InputError
from cotrain.problem.problem import Problem
from cotrain.training.trainer import Trainer


@dataclass(frozen=True)
class Given:
    """Affinities from prior knowledge.

    As one of the ``scores`` of :class:`~cotrain.affinity.Calibrated` it is worth what the trainings say it is worth.
    Rules that must hold whatever is measured are constraints of :class:`~cotrain.grouping.NetworkSelection` instead.

    Parameters
    ----------
    tasks
        Task names.
    matrix
        ``(tasks, tasks)`` as rows of numbers, row = affected task, on any scale; NaN where nothing is known.
    label
        What to call it.

    Raises
    ------
    InputError
        When names and numbers do not fit together; in :meth:`estimate`, when a task of the problem is absent.

    Examples
    --------
    >>> Given.links("abc", must_link=[("a", "b")], cannot_link=[("b", "c")]).matrix
    ((0.0, 1.0, 0.0), (1.0, 0.0, -1.0), (0.0, -1.0, 0.0))
    """

    name: ClassVar[str] = "given"
    citation: ClassVar[str] = ""

    tasks: tuple[str, ...]
    matrix: Sequence[Sequence[float]]
    label: str = "given"

    def __post_init__(self) -> None:
        object.__setattr__(self, "tasks", tuple(self.tasks))
        object.__setattr__(self, "matrix", tuple(tuple(float(value) for value in row) for row in self.matrix))
        if len(self.matrix) != len(self.tasks) or any(len(row) != len(self.tasks) for row in self.matrix):
            raise InputError(f"`matrix` must have a row and a column for each of the {len(self.tasks)} tasks.")

    @classmethod
    def of(cls, affinity: Affinity, *, label: str = "given") -> Given:
        """Take the matrix of an affinity, from a file or from elsewhere."""
        return cls(affinity.tasks, affinity.matrix.tolist(), label)

    @classmethod
    def links(
        cls,
        tasks: Sequence[str],
        *,
        must_link: Iterable[Iterable[str]] = (),
        cannot_link: Iterable[Iterable[str]] = (),
    ) -> Given:
        """Expect tasks of a ``must_link`` group to help each other, and those of a ``cannot_link`` group to hurt."""
        names, matrix = list(tasks), np.zeros((len(tasks), len(tasks)))
        for groups, value in ((must_link, 1.0), (cannot_link, -1.0)):
            for group in groups:
                for target, source in permutations(group, 2):
                    if not {target, source} <= set(names):
                        raise InputError(f"Links must name known tasks. Found {target!r} with {source!r}.")
                    matrix[names.index(target), names.index(source)] = value
        return cls(tuple(names), matrix.tolist(), "links")

    def estimate(self, problem: Problem, trainer: Trainer, *, seed: int = 0) -> Affinity:  # noqa: ARG002
        """Return what was given, for the tasks of the problem."""
        absent = sorted(set(problem.names) - set(self.tasks))
        if absent:
            raise InputError(f"`tasks` must hold every task of the problem. Missing: {absent}.")
        values: Any = np.array(self.matrix)
        return Affinity.from_matrix(self.tasks, values, unit=self.label).with_tasks(problem.names)
