"""What served sets are worth after a unit comes or goes."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from cotrain.grouping.selection.networks import Floats
from cotrain.grouping.selection.served_sets import Labels, ServedSets

_NEAR = 2  # sets in which each unit is valued with the best helpers
_CELLS = 50_000  # most numbers in one table of offers, so that it stays in the processor's cache
Index = NDArray[np.int64]


class KeptHelpers:
    """Moves valued while networks keep their helpers or, where size is limited, have none: no more than with the best.

    Parameters
    ----------
    sets
        Rules and scores.

    Attributes
    ----------
    worth
        ``(sets,)`` as they are, with the best helpers.
    joined
        ``(units, sets)``: with a unit put in; ``-inf`` where it is in.
    left
        ``(units,)``: of every unit's set without it.
    """

    def __init__(self, sets: ServedSets) -> None:
        units, networks = len(sets.each), sets.terms.networks
        self.sets, self.worth = sets, np.empty(networks)
        self.served = np.zeros((networks, units), dtype=bool)
        self.given = np.zeros((networks, sets.unit_benefit.shape[1]))
        self.joined, self.left = np.empty((units, networks)), np.empty(units)

    def update(self, labels: Labels, changed: Index) -> None:
        """Value the sets that changed."""
        sets = self.sets
        served = self.served[changed] = sets.indicator(labels)[changed]
        given = self.given[changed] = sets.given(served)
        offers = sets.offers(served, given)
        means = sets.means(offers)
        self.worth[changed] = sets.worth(offers, means)
        broken = self.worth <= sets.impossible
        members = (sets.complete(offers, means) & served.any(axis=1, keepdims=True)).astype(np.float64)
        received, total = sets.unit_benefit @ members.T, (members * given).sum(axis=1)
        joined = self._joined(members, given, total + received)
        if sets.terms.rules.maximum_size < given.shape[1]:
            needed = offers.needed.astype(np.float64)
            joined = np.maximum(joined, self._joined(needed, given, offers.own + sets.unit_benefit @ needed.T))
        self.joined[:, changed] = np.where(broken[changed], -np.inf, joined)
        row, unit = np.nonzero(served)
        self.joined[unit, labels[unit]] = -np.inf
        left = self._left(given[row, unit], total[row] - received[unit, row], members.sum(axis=1)[row])
        self.left[unit] = np.where(served.sum(axis=1)[row] == 1, 0.0, left)
        self._leave(unit[broken[labels[unit]] | (not sets.terms.rules.are_free)], labels)

    def _joined(self, members: Floats, given: Floats, total: Floats) -> Floats:
        """Worth with a unit and what it needs among the members, who give it and those served ``total``."""
        rules, absent = self.sets.terms.rules, 1.0 - members
        size = members.sum(axis=1) + self._needs @ absent.T
        total = total + self._needs @ (absent * given).T + self._own @ absent.T
        broken = size > rules.maximum_size
        if rules.conflicts.any():
            broken |= self._needs @ (rules.conflicts.astype(np.float64) @ members.T) > 0
        worth = np.where(broken, -np.inf, total / np.maximum(size - 1, 1) - self.sets.fixed)
        return np.where(members.any(axis=1), worth, self._by_itself[:, None])

    def _left(self, gave: Floats, total: Floats, size: Floats) -> Floats:
        """Worth when a task stays as a helper or, in networks of more than two, goes altogether."""
        dropped = np.where(size > 2, (total - gave) / np.maximum(size - 2, 1), -np.inf)
        return np.maximum(total / np.maximum(size - 1, 1), dropped) - self.sets.fixed

    def _leave(self, unit: Index, labels: Labels) -> None:
        """Value sets without a unit, with the best helpers."""
        sets, position = self.sets, labels[unit]
        offers = sets.offers(self.served[position] & ~sets.each[unit], self.given[position] - sets.unit_benefit[unit])
        self.left[unit] = sets.worth(offers, sets.means(offers))

    @cached_property
    def _needs(self) -> csr_array:
        return csr_array(self.sets.terms.rules.unit_needs.astype(np.float64))

    @cached_property
    def _own(self) -> csr_array:
        """What a unit gets from those it needs."""
        return csr_array(np.where(self.sets.terms.rules.unit_needs, self.sets.unit_benefit, 0.0))

    @cached_property
    def _by_itself(self) -> Floats:
        """Worth of every unit alone."""
        offers = self.sets.offers(self.sets.each)
        return self.sets.worth(offers, self.sets.means(offers))


class BestHelpers(KeptHelpers):
    """Moves valued with the best helpers after them, where a unit joins one of the sets that suit it best."""

    def update(self, labels: Labels, changed: Index) -> None:
        """Value the sets that changed."""
        super().update(labels, changed)
        unit, position = self._joins(labels, changed)
        batch = max(_CELLS // self.given.shape[1], 1)
        for start in range(0, len(unit), batch):
            self._join(unit[start : start + batch], position[start : start + batch])
        self._leave(np.flatnonzero(np.isin(labels, changed)), labels)

    def _joins(self, labels: Labels, changed: Index) -> tuple[Index, Index]:
        """Units and the changed sets worth trying for them: those that gain most while they keep their helpers."""
        gain, near = self.joined - self.worth, min(_NEAR, len(self.worth))
        position = np.argpartition(-gain, near - 1, axis=1)[:, :near].ravel()
        unit = np.repeat(np.arange(len(labels)), near)
        tried = np.isin(position, changed) & (position != labels[unit])
        return unit[tried], position[tried]

    def _join(self, unit: Index, position: Index) -> None:
        sets = self.sets
        offers = sets.offers(self.served[position] | sets.each[unit], self.given[position] + sets.unit_benefit[unit])
        least = self.joined[unit, position] + sets.fixed
        self.joined[unit, position] = sets.worth(offers, sets.means(offers, least))
