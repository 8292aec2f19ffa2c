"""Measured search: local moves that the affinities suggest, kept only where training really confirms them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, TypeAlias

import numpy as np

from cotrain import checks
from cotrain.affinity.affinity import Affinity
from cotrain.errors import InputError
from cotrain.grouping.average_density import AverageDensity
from cotrain.grouping.base import Grouper
from cotrain.grouping.density.objective import density
from cotrain.grouping.grouping import Grouping
from cotrain.grouping.matrices import Labels, Matrix, MatrixOptions, Unknown, partition
from cotrain.problem.task import Subset

Measure: TypeAlias = Callable[[Subset], Mapping[str, float]]
"""Trains a subset and returns the validation loss of each of its tasks."""

_LEAST = 1e-12


@dataclass(frozen=True)
class MeasuredSearch:
    """Start from a grouping and improve it by moves that are trained before they are believed.

    A move puts one task into another group or into one of its own. Each round ranks all moves by the average density
    they predict and trains the groups of the most promising ones; the best that lowers the measured loss is made.
    Losses count relative to those of the start, so that no task dominates. It ends when none of the promising moves
    helps, or when the trainings are used up. Groups measured once are not trained again.

    Parameters
    ----------
    measure
        Trains a subset and returns the loss of each of its tasks, on validation rows.
    start
        Grouper that gives the first groups.
    trainings
        Most subsets to train, those of the start included.
    promising
        Moves tried each round.
    max_networks
        Most groups; None allows one per task.
    unknown
        Pairs never seen (NaN): ``"refuse"``, or count them as ``"zero"`` or as the target's ``"row-mean"``.

    Notes
    -----
    The objective is the mean over tasks of ``1 - loss / loss at the start``. ``diagnostics["measured"]`` lists every
    subset trained with its losses, ``diagnostics["trainings"]`` counts them.

    Examples
    --------
    >>> def measure(subset):
    ...     return dict.fromkeys(subset, 0.5 if subset == ("a", "b") else 1.0)
    >>> affinity = Affinity.from_matrix("abc", [[0, 0.1, 0.2], [0.1, 0, 0], [0.2, 0, 0]])
    >>> grouping = MeasuredSearch(measure, start=AverageDensity(networks=2, exactly=True)).group(affinity)
    >>> grouping, round(grouping.objective, 3)
    (Grouping('measured-search': {a, b} {c}), 0.333)
    """

    name: ClassVar[str] = "measured-search"
    citation: ClassVar[str] = ""

    measure: Measure
    start: Grouper = field(default_factory=AverageDensity)
    trainings: int = 50
    promising: int = 5
    max_networks: int | None = None
    unknown: Unknown = "refuse"

    def __post_init__(self) -> None:
        checks.at_least("trainings", self.trainings, 1)
        checks.at_least("promising", self.promising, 1)
        if self.max_networks is not None:
            checks.at_least("max_networks", self.max_networks, 1)
        MatrixOptions(unknown=self.unknown)

    def group(self, affinity: Affinity) -> Grouping:
        """Return the best groups measured.

        Raises
        ------
        InputError
            When the start needs more trainings than allowed, its groups overlap, or a measurement misses a task.
        """
        matrix = MatrixOptions(unknown=self.unknown).symmetric(affinity)
        labels = _labels(self.start.group(affinity), sorted(affinity.tasks))
        ledger = _Ledger(self.measure, sorted(affinity.tasks), self.trainings)
        if not ledger.affords(labels):
            raise InputError(f"`trainings` must allow the groups of the start. Found {self.trainings}.")
        reference = ledger.losses(labels)
        labels, status = self._improve(matrix, labels, ledger)
        return partition(
            affinity,
            labels,
            objective=_gain(ledger.losses(labels), reference),
            proof="heuristic",
            method=self.name,
            status=status,
            diagnostics={
                "trainings": len(ledger.known),
                "measured": [{"subset": list(subset), "losses": dict(found)} for subset, found in ledger.known.items()],
            },
        )

    def _improve(self, matrix: Matrix, labels: Labels, ledger: _Ledger) -> tuple[Labels, str]:
        reference = ledger.losses(labels)
        while True:
            best, status = labels, "no promising move helps"
            for moved in self._moves(matrix, labels)[: self.promising]:
                if not ledger.affords(moved):
                    status = "trainings used up"
                elif _gain(ledger.losses(moved), reference) > _gain(ledger.losses(best), reference):
                    best = moved
            if best is labels:
                return labels, status
            labels = best

    def _moves(self, matrix: Matrix, labels: Labels) -> list[Labels]:
        """Return all single moves, the highest predicted density first."""
        groups = int(labels.max()) + 1
        room = self.max_networks is None or groups < self.max_networks
        moves = []
        for task in range(len(labels)):
            for group in range(groups + (1 if room else 0)):
                moved = labels.copy()
                moved[task] = group
                moved = np.unique(moved, return_inverse=True)[1].astype(np.int64)
                if group != labels[task] and not (group == groups and (labels == labels[task]).sum() == 1):
                    moves.append(moved)
        return sorted(moves, key=lambda moved: -density(matrix, moved))


class _Ledger:
    """Subsets measured so far, and how many more may be."""

    def __init__(self, measure: Measure, tasks: list[str], trainings: int) -> None:
        self.measure, self.tasks, self.trainings = measure, tasks, trainings
        self.known: dict[Subset, Mapping[str, float]] = {}

    def affords(self, labels: Labels) -> bool:
        fresh = [group for group in self._groups(labels) if group not in self.known]
        return len(self.known) + len(fresh) <= self.trainings

    def losses(self, labels: Labels) -> Matrix:
        """Return the loss of every task, training what has not been trained."""
        loss: dict[str, float] = {}
        for group in self._groups(labels):
            if group not in self.known:
                self.known[group] = self._measured(group)
            loss |= self.known[group]
        return np.array([loss[task] for task in self.tasks])

    def _measured(self, group: Subset) -> Mapping[str, float]:
        found = self.measure(group)
        missing = sorted(set(group) - set(found))
        if missing:
            raise InputError(f"`measure` must return the loss of every task of {group}. Missing: {', '.join(missing)}.")
        return {task: float(found[task]) for task in group}

    def _groups(self, labels: Labels) -> list[Subset]:
        names = np.array(self.tasks)
        return [tuple(names[labels == label].tolist()) for label in np.unique(labels)]


def _gain(losses: Matrix, reference: Matrix) -> float:
    return float(((reference - losses) / np.maximum(np.abs(reference), _LEAST)).mean())


def _labels(grouping: Grouping, tasks: list[str]) -> Labels:
    if sum(map(len, grouping.groups)) != len(grouping.serving):
        raise InputError("`start` must give groups that do not overlap. Choose another grouper.")
    return np.array([grouping.serving[task] for task in tasks], dtype=np.int64)
