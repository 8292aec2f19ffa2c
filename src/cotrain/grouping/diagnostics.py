"""Diagnosing a grouping: every task against every other place it could have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from scipy.stats import norm

from cotrain import checks
from cotrain.affinity.affinity import Affinity
from cotrain.errors import InputError
from cotrain.grouping.diagnosis import DecidingPair, Diagnosis, Placement
from cotrain.grouping.grouping import Grouping
from cotrain.grouping.matrices import Matrix, MatrixOptions
from cotrain.problem.task import Subset

_LEAST = 1e-12


def diagnose(grouping: Grouping, affinity: Affinity, *, confidence: float = 0.95) -> Diagnosis:
    """Compare each task's place with every other group and with training alone.

    Disjoint groups are compared by average density, which counts what a task gives and receives; overlapping ones by
    the mean that the task itself receives. Unknown pairs count as the target's mean.

    Parameters
    ----------
    grouping
        Groups of the affinity's tasks.
    affinity
        Who helps whom.
    confidence
        Level of the error bars.

    Returns
    -------
    Diagnosis
        Cost: ``O(tasks * groups * size^2)``.
    """
    checks.within("confidence", confidence, 0.5, 0.999)
    unknown = sorted(set(grouping.tasks) - set(affinity.tasks))
    if unknown:
        raise InputError(f"`affinity` must hold the tasks of `grouping`. Missing: {', '.join(unknown)}.")
    view = _View(grouping, affinity)
    reach = float(norm.ppf(0.5 + confidence / 2))
    return Diagnosis(tuple(view.placement(task, reach) for task in grouping.serving), confidence)


class _View:
    """A grouping and an affinity as arrays, tasks in alphabetical order."""

    def __init__(self, grouping: Grouping, affinity: Affinity) -> None:
        self.grouping, self.names = grouping, sorted(affinity.tasks)
        self.index = {name: place for place, name in enumerate(self.names)}
        self.matrix = MatrixOptions(unknown="row-mean").directed(affinity)
        order = [affinity.tasks.index(name) for name in self.names]
        self.error = affinity.standard_error[np.ix_(order, order)].copy()
        np.fill_diagonal(self.error, 0.0)
        self.disjoint = sum(map(len, grouping.groups)) == len({name for group in grouping.groups for name in group})

    def placement(self, task: str, reach: float) -> Placement:
        group = self.grouping.group_of(task)
        others = [name for name in group if name != task]
        received = float(self.matrix[self.index[task], self._places(others)].mean()) if others else 0.0
        moves = [self._move(task, group, joined) for joined in self._alternatives(task)]
        if not moves:
            return Placement(task, group, received, (), float("inf"), 0.0, ())
        best = min(moves, key=lambda move: move.margin)
        bars = np.abs(best.weights) * self.error[np.ix_(best.places, best.places)]
        error = float(np.sqrt((bars[best.weights != 0] ** 2).sum()))
        deciding = self._deciding(best.places, reach * bars, best.margin)
        return Placement(task, group, received, best.joined, best.margin, error, deciding)

    def _move(self, task: str, serving: Subset, joined: Subset) -> _Move:
        """Return what serving the task in ``joined`` instead would lose, as weights of the affinities involved."""
        involved = sorted({*serving, *joined})
        inside, hosted = (np.isin(involved, group).astype(np.float64) for group in (serving, joined))
        one = np.isin(involved, [task]).astype(np.float64)
        if self.disjoint:
            weights = _shared(inside) + _shared(hosted - one) - _shared(inside - one) - _shared(hosted)
        else:
            weights = _received(one, inside) - _received(one, hosted)
        places = self._places(involved)
        return _Move(joined, places, weights, float((weights * self.matrix[np.ix_(places, places)]).sum()))

    def _places(self, names: Iterable[str]) -> list[int]:
        return [self.index[name] for name in names]

    def _alternatives(self, task: str) -> Iterator[Subset]:
        """Yield every other group with the task in it, then the task alone."""
        serving = self.grouping.group_of(task)
        for group in self.grouping.groups:
            if group != serving:
                yield tuple(sorted({*group, task}))
        if len(serving) > 1 and (task,) not in self.grouping.groups:
            yield (task,)

    def _deciding(self, places: list[int], bars: Matrix, margin: float) -> tuple[DecidingPair, ...]:
        np.fill_diagonal(bars, 0.0)
        share = bars / max(margin, _LEAST)
        pairs = [
            DecidingPair(self.names[places[target]], self.names[places[source]], float(share[target, source]))
            for target, source in np.argwhere((bars >= margin) & (bars > 0))
        ]
        return tuple(sorted(pairs, key=lambda pair: (-pair.share, pair.target, pair.source)))


class _Move(NamedTuple):
    """A task served elsewhere: the tasks involved, and the weights of their affinities in what is lost."""

    joined: Subset
    places: list[int]
    weights: Matrix
    margin: float


def _shared(inside: Matrix) -> Matrix:
    """Weights of the density of a group."""
    return np.outer(inside, inside) / max(float(inside.sum()), 1.0)


def _received(one: Matrix, inside: Matrix) -> Matrix:
    """Weights of what one task receives on average from the others in a group."""
    others = np.maximum(inside - one, 0.0)
    return np.outer(one, others) / max(float(others.sum()), 1.0)
