"""What a set of units that one network serves is worth with the best helpers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cotrain.grouping.selection.constraints import peaceful
from cotrain.grouping.selection.group_scores import GroupScores
from cotrain.grouping.selection.networks import Bools, Floats, Networks
from cotrain.grouping.selection.terms import Terms

Labels = NDArray[np.int64]


class Offers(NamedTuple):
    """Served sets ``(sets, units)``, the tasks they need, and what the other tasks offer them.

    ``needed`` and ``helping`` are ``(sets, tasks)``, the latter ``-inf`` where a task may not help; ``own`` ``(sets,)``
    is what the needed tasks give in all, ``alone`` the sum of what these score alone.
    """

    served: Bools
    needed: Bools
    own: Floats
    alone: Floats
    helping: Floats

    @property
    def size(self) -> NDArray[np.int64]:
        """How many tasks each set needs."""
        return np.asarray(self.needed.sum(axis=1))

    def take(self, index: NDArray[np.int64] | Bools) -> Offers:
        """Return those at ``index``."""
        served, needed, own, alone, helping = self
        return Offers(served[index], needed[index], own[index], alone[index], helping[index])


@dataclass(frozen=True, eq=False)
class ServedSets:
    """Values sets of units that are served together, with the best helpers: the outsiders that give them most.

    Sets are rows ``(sets, units)``, or labels ``(units,)`` of the set that each unit is in.

    Parameters
    ----------
    scores
        Of any group.
    terms
        Rules, limits and charges; a cost budget is left to the choice among the groups found.
    """

    scores: GroupScores
    terms: Terms

    def indicator(self, labels: Labels) -> Bools:
        """Return the labelled sets ``(networks, units)``, empty ones included."""
        return np.equal(labels, np.arange(self.terms.networks)[:, None])

    def networks(self, labels: Labels) -> Networks:
        """Return the networks that serve the labelled sets."""
        served = self.indicator(labels)
        offers = self.offers(served[served.any(axis=1)])
        members = self.complete(offers, self.means(offers))
        return self.terms.evaluate(members, self.scores.of(members))

    def given(self, served: Bools) -> Floats:
        """Return what every task gives to served sets in all ``(sets, tasks)``."""
        return np.asarray(served.astype(np.float64) @ self.unit_benefit)

    def offers(self, served: Bools, given: Floats | None = None) -> Offers:
        """Return what served sets need and are offered; ``given`` is :meth:`given` where that is known."""
        given = self.given(served) if given is None else given
        needed = self._needed(served)
        barred = needed
        conflicts = self.terms.rules.conflicts
        if conflicts.any():
            barred = needed | (needed.astype(np.float64) @ conflicts.astype(np.float64) > 0)
        own = np.where(needed, given, 0.0).sum(axis=1)
        alone = np.where(needed, self.scores.alone, 0.0).sum(axis=1)
        return Offers(served, needed, own, alone, np.where(barred, -np.inf, given))

    def means(self, offers: Offers, least: Floats | float = -np.inf) -> Floats:
        """Return the largest summed scores ``(sets,)``, where known to be ``least`` or more.

        A mean is raised to that of all helpers above it while it grows (Dinkelbach).
        """
        size, first = offers.size, offers.helping.max(axis=1)
        served_only = offers.own / np.maximum(size - 1, 1)
        best: Floats = np.maximum(np.where(size == 1, np.maximum(offers.alone, first), served_only), least)
        left = np.flatnonzero(first > best)
        helping = offers.helping[left]
        while len(left):
            above = helping > best[left, None]
            some = above.any(axis=0)
            helping, above = helping[:, some], above[:, some]
            number = above.sum(axis=1)
            total = offers.own[left] + np.where(above, helping, 0.0).sum(axis=1)
            mean = total / np.maximum(size[left] - 1 + number, 1)
            grows = np.flatnonzero((number > 0) & (mean > best[left]))
            left, helping = left[grows], helping[grows]
            best[left] = mean[grows]
        large = self._exceed(offers, best)
        if large.any():
            best[large] = self._ranked_means(offers.take(large))[0].max(axis=1)
        return best

    def worth(self, offers: Offers, means: Floats) -> Floats:
        """Return the worth ``(sets,)`` given the largest summed scores; an empty set is worth nothing."""
        worth = np.maximum(means - self.fixed, self.impossible)
        worth = np.where(peaceful(offers.needed, self.terms.rules.conflicts), worth, self.impossible)
        return np.where(offers.served.any(axis=1), worth, 0.0)

    def complete(self, offers: Offers, means: Floats) -> Bools:
        """Return groups ``(sets, tasks)``: what is needed and the fewest helpers for the largest summed scores."""
        helps = offers.helping > means[:, None]
        lone = np.flatnonzero((offers.size == 1) & (means > offers.alone) & ~helps.any(axis=1))
        helps[lone, offers.helping[lone].argmax(axis=1)] = True
        large = self._exceed(offers, means)
        if large.any():
            ranked, order = self._ranked_means(offers.take(large))
            rank = np.argsort(order, axis=1, kind="stable")
            helps[large] = rank < ranked.argmax(axis=1)[:, None]
        return offers.needed | (helps & np.isfinite(offers.helping))

    def _exceed(self, offers: Offers, means: Floats) -> Bools:
        """Which sets may have more members than allowed when all helpers above the mean come."""
        most = self.terms.rules.maximum_size
        if most >= offers.needed.shape[1]:
            return np.zeros(len(means), dtype=bool)
        return np.asarray(offers.size + (offers.helping >= means[:, None]).sum(axis=1) > most)

    def _ranked_means(self, offers: Offers) -> tuple[Floats, Labels]:
        """Return summed scores ``(sets, 1 + tasks)`` with ever more helpers, and the order these come in."""
        order = np.argsort(-offers.helping, axis=1, kind="stable")
        added = np.cumsum(np.take_along_axis(offers.helping, order, axis=1), axis=1)
        totals = offers.own[:, None] + np.concatenate([np.zeros((len(order), 1)), added], axis=1)
        size = offers.size[:, None] + np.arange(totals.shape[1])
        allowed = (size >= 2) & (size <= self.terms.rules.maximum_size)
        means = np.where(allowed, totals / np.maximum(size - 1, 1), -np.inf)
        means[:, 0] = np.where(offers.size == 1, offers.alone, means[:, 0])
        return means, order

    def _needed(self, served: Bools) -> Bools:
        rules = self.terms.rules
        if rules.are_free:
            return served
        needed: Bools = served.astype(np.float64) @ rules.unit_needs.astype(np.float64) > 0
        return needed

    @property
    def fixed(self) -> float:
        """What every network costs."""
        return self.terms.charge + self.terms.new_charge

    @cached_property
    def each(self) -> Bools:
        """Every unit by itself."""
        return np.eye(len(self.terms.rules.units), dtype=bool)

    @cached_property
    def unit_benefit(self) -> Floats:
        """``(units, tasks)``: what a task gives to all tasks of a unit."""
        units = self.terms.rules.units.astype(np.float64)
        return np.asarray(units @ self.scores.benefit)

    @cached_property
    def impossible(self) -> float:
        """Worth of a served set that breaks a rule: finite, so that differences of worth stay numbers."""
        return -1e6 * (1.0 + float(np.abs(self.scores.benefit).max(initial=0.0))) * len(self.scores.benefit)
