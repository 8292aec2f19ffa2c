"""Many tasks: local search over who is served together, with the best helpers for every served set."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cotrain.grouping.selection.constraints import peaceful
from cotrain.grouping.selection.group_scores import GroupScores
from cotrain.grouping.selection.networks import Bools, Floats, Networks
from cotrain.grouping.selection.terms import Terms

_SWEEPS = 200
_NEAR = 8  # sets tried for each unit
Labels = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ServedSetSearch:
    """Moves units between served sets while the total worth grows (relocation, several disjoint moves a sweep).

    A served set is worth its summed scores with the best helpers: the outsiders that give it most, added while the
    mean grows. A sweep values every unit in every set it could join, ``O(units sets tasks log tasks)``, afterwards
    only those of the sets that changed; of many sets it tries those with the best mean affinity.

    Parameters
    ----------
    scores
        Of any group.
    terms
        Rules, limits and charges; a cost budget is left to the choice among the groups found.
    """

    scores: GroupScores
    terms: Terms

    def descend(self, labels: Labels) -> tuple[Labels, float]:
        """Return labels ``(units,)`` no relocation improves, and their worth."""
        labels, sets = labels.copy(), self.terms.networks
        worth = self.worth(_indicator(labels, sets))
        joined, left = self._tables(labels, np.arange(sets), None, None)
        for _ in range(_SWEEPS):
            here = np.arange(len(labels))
            gain = (left - worth[labels])[:, None] + joined - worth
            gain[here, labels] = 0.0
            target = gain.argmax(axis=1)
            moved = _disjoint(gain[here, target], labels, target)
            if not len(moved):
                break
            changed = np.unique(np.concatenate([labels[moved], target[moved]]))
            labels[moved] = target[moved]
            worth[changed] = self.worth(_indicator(labels, sets)[changed])
            joined, left = self._tables(labels, changed, joined, left)
        return labels, float(worth.sum())

    def networks(self, labels: Labels) -> Networks:
        """Return the networks that serve the labelled sets."""
        served = _indicator(labels, self.terms.networks)
        members = self.complete(served[served.any(axis=1)])
        return self.terms.evaluate(members, self.scores.of(members))

    def worth(self, served: Bools) -> Floats:
        """Return the worth of served sets ``(sets, units)``; an empty one is worth nothing."""
        return self._worth(served, self._given(served))

    def complete(self, served: Bools) -> Bools:
        """Return groups ``(sets, tasks)``: the served tasks, what they need and the best helpers."""
        needed, own, helping = self._offers(served, self._given(served))
        order = np.argsort(-helping, axis=1, kind="stable")
        count = self._means(needed, own, np.take_along_axis(helping, order, axis=1)).argmax(axis=1)
        helps = np.zeros_like(needed)
        np.put_along_axis(helps, order, np.arange(needed.shape[1]) < count[:, None], axis=1)
        return needed | (helps & np.isfinite(helping))

    def _worth(self, served: Bools, given: Floats) -> Floats:
        needed, own, helping = self._offers(served, given)
        worth = self._best_means(needed, own, helping) - self.terms.charge - self.terms.new_charge
        possible = np.maximum(worth, self._impossible)
        worth = np.where(peaceful(needed, self.terms.rules.conflicts), possible, self._impossible)
        return np.where(served.any(axis=1), worth, 0.0)

    def _given(self, served: Bools) -> Floats:
        """Return what every task gives to served sets in all ``(sets, tasks)``."""
        return np.asarray(served.astype(np.float64) @ self._unit_benefit)

    def _offers(self, served: Bools, given: Floats) -> tuple[Bools, Floats, Floats]:
        """Tasks that must be there, what they give to the served ones in all, and what every other task would give."""
        needed = self._needed(served)
        barred = needed
        conflicts = self.terms.rules.conflicts
        if conflicts.any():
            barred = needed | (needed.astype(np.float64) @ conflicts.astype(np.float64) > 0)
        return needed, np.where(needed, given, 0.0).sum(axis=1), np.where(barred, -np.inf, given)

    def _best_means(self, needed: Bools, own: Floats, helping: Floats) -> Floats:
        """Largest of :meth:`_means`: a mean is raised to that of all helpers above it while it grows (Dinkelbach)."""
        size, first = needed.sum(axis=1), helping.max(axis=1)
        alone = np.where(needed, self.scores.alone, 0.0).sum(axis=1)
        best: Floats = np.where(size == 1, np.maximum(alone, first), own / np.maximum(size - 1, 1))
        count = np.where((size == 1) & (first > alone), 1, 0)
        left = np.flatnonzero(first > best)
        offered = helping[left]
        while len(left):
            above = offered > best[left, None]
            number = above.sum(axis=1)
            mean = (own[left] + offered.sum(axis=1, where=above)) / np.maximum(size[left] - 1 + number, 1)
            grows = np.flatnonzero((number > 0) & (mean > best[left]))
            left, offered = left[grows], offered[grows]
            best[left], count[left] = mean[grows], number[grows]
        large = size + count > self.terms.rules.maximum_size
        if large.any():
            best[large] = self._means(needed[large], own[large], -np.sort(-helping[large], axis=1)).max(axis=1)
        return best

    def _means(self, needed: Bools, own: Floats, extra: Floats) -> Floats:
        """Return summed scores ``(sets, 1 + tasks)`` with ever more helpers, of which ``extra`` is what each adds."""
        totals = np.concatenate([own[:, None], own[:, None] + np.cumsum(extra, axis=1)], axis=1)
        size = needed.sum(axis=1, keepdims=True) + np.arange(totals.shape[1])
        allowed = (size >= 2) & (size <= self.terms.rules.maximum_size)
        means = np.where(allowed, totals / np.maximum(size - 1, 1), -np.inf)
        alone = np.where(needed, self.scores.alone, 0.0).sum(axis=1)
        means[:, 0] = np.where(size[:, 0] == 1, alone, means[:, 0])
        return means

    def _needed(self, served: Bools) -> Bools:
        rules = self.terms.rules
        if rules.are_free:
            return served
        needed: Bools = served.astype(np.float64) @ rules.unit_needs.astype(np.float64) > 0
        return needed

    @cached_property
    def _unit_benefit(self) -> Floats:
        """``(units, tasks)``: what a task gives to all tasks of a unit."""
        units = self.terms.rules.units.astype(np.float64)
        return np.asarray(units @ self.scores.benefit)

    @cached_property
    def _mutual_benefit(self) -> Floats:
        """``(units, units)``: what two units give each other."""
        between = self._unit_benefit @ self.terms.rules.units.T.astype(np.float64)
        return np.asarray(between + between.T)

    @cached_property
    def _impossible(self) -> float:
        """Worth of a served set that breaks a rule: finite, so that differences of worth stay numbers."""
        return -1e6 * (1.0 + float(np.abs(self.scores.benefit).max(initial=0.0))) * len(self.scores.benefit)

    def _tables(
        self, labels: Labels, changed: Labels, joined: Floats | None, left: Floats | None
    ) -> tuple[Floats, Floats]:
        """Worth of every set with a unit put in ``(units, sets)`` and of every unit's set without it ``(units,)``."""
        served = _indicator(labels, self.terms.networks)
        joined = np.full((len(labels), len(served)), -np.inf) if joined is None else joined
        left = np.empty(len(labels)) if left is None else left
        near, given = self._near(served), self._given(served)
        joined[:, changed] = -np.inf
        for position in changed:
            units = np.flatnonzero(near[:, position])
            with_unit = served[position] | self._each[units]
            joined[units, position] = self._worth(with_unit, given[position] + self._unit_benefit[units])
        touched = np.flatnonzero(np.isin(labels, changed))
        without = served[labels[touched]] & ~self._each[touched]
        left[touched] = self._worth(without, given[labels[touched]] - self._unit_benefit[touched])
        return joined, left

    @cached_property
    def _each(self) -> Bools:
        """Every unit by itself."""
        return np.eye(len(self.terms.rules.units), dtype=bool)

    def _near(self, served: Bools) -> Bools:
        """Which sets ``(units, sets)`` are worth trying for a unit: those with the best mean affinity both ways."""
        size = np.maximum(served.sum(axis=1), 1)
        mean = self._mutual_benefit @ served.T.astype(np.float64) / size
        last = max(len(served) - _NEAR, 0)
        near: Bools = (mean >= np.partition(mean, last, axis=1)[:, [last]]) | (served.sum(axis=1) == 0)
        return near


def _indicator(labels: Labels, sets: int) -> Bools:
    return np.equal(labels, np.arange(sets)[:, None])


def _disjoint(gain: Floats, source: Labels, target: Labels) -> NDArray[np.int64]:
    """Best improving moves of which no two touch the same set."""
    busy: set[int] = set()
    chosen: list[int] = []
    for unit in np.argsort(-gain, kind="stable").tolist():
        if gain[unit] <= 1e-12:
            break
        pair = {int(source[unit]), int(target[unit])}
        if not pair & busy:
            busy |= pair
            chosen.append(unit)
    return np.array(chosen, dtype=np.int64)
