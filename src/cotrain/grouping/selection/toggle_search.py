"""Networks of large reduced value by local search: put one task in or take one out while that helps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cotrain.grouping.selection.group_scores import GroupScores
from cotrain.grouping.selection.networks import Bools, Floats, Networks, Prices
from cotrain.grouping.selection.pricing import MOST_RETURNED, Priced
from cotrain.grouping.selection.terms import Terms

_STEPS = 60
_CLIMBS = 24  # networks that every round climbs from, beside the best for each unit
_CELLS = 4_000_000  # most numbers in one table of moves


@dataclass(frozen=True, eq=False)
class ToggleSearch:
    """Climbs from many groups at once; every step looks at all toggles of a task, ``O(groups tasks^2)``."""

    scores: GroupScores
    terms: Terms

    def price(self, prices: Prices, known: Networks) -> Priced:
        """Climb from the known networks that earn most; the bound is only what the search found."""
        ends = self._ends(known.members[_starts(known, prices)], prices)
        reduced = ends.reduced_values(prices)
        best = np.argsort(-reduced, kind="stable")[:MOST_RETURNED]
        return Priced(ends.take(best[reduced[best] > 0]), float(reduced.max(initial=-np.inf)))

    def within(self, prices: Prices, slack: float, limit: int) -> Networks | None:  # noqa: ARG002
        """See :class:`~cotrain.grouping.selection.pricing.Pricer`; never claims to know all."""
        return None

    def _ends(self, members: Bools, prices: Prices) -> Networks:
        batch = max(_CELLS // members.shape[1] ** 2, 1)
        ends = [self._climb(members[start : start + batch], prices) for start in range(0, len(members), batch)]
        tops = np.unique(np.concatenate(ends), axis=0)
        return self.terms.evaluate(tops, self.scores.of(tops))

    def _climb(self, members: Bools, prices: Prices) -> Bools:
        members = members.copy()
        value = self._reduced(members, self.scores.of(members), prices)
        climbing = np.arange(len(members))
        for _ in range(_STEPS):
            after = self._after_toggles(members[climbing], prices)
            task = after.argmax(axis=1)
            best = after[np.arange(len(climbing)), task]
            better = best > value[climbing] + 1e-12
            climbing, task, best = climbing[better], task[better], best[better]
            if not len(climbing):
                break
            members[climbing, task] ^= True
            value[climbing] = best
        return members

    def _after_toggles(self, members: Bools, prices: Prices) -> Floats:
        """Reduced values ``(groups, tasks)`` after toggling each task."""
        groups, tasks = members.shape
        inside = members.astype(np.float64)
        sign = 1.0 - 2.0 * inside
        sums = (inside @ self.scores.benefit.T)[:, None, :] + sign[:, :, None] * self.scores.benefit.T
        partners = inside.sum(axis=1)[:, None] + sign - 1
        toggled = members[:, None, :] ^ np.eye(tasks, dtype=bool)
        mean = np.where((partners > 0)[:, :, None], sums / np.maximum(partners, 1)[:, :, None], self.scores.alone)
        scores = np.where(toggled, mean, -np.inf).reshape(-1, tasks)
        return self._reduced(toggled.reshape(-1, tasks), scores, prices).reshape(groups, tasks)

    def _reduced(self, members: Bools, scores: Floats, prices: Prices) -> Floats:
        networks = self.terms.price_list(members, scores)
        allowed = self.terms.rules.allowed(members) & (networks.usage <= self.terms.limits).all(axis=1)
        return np.where(allowed, networks.reduced_values(prices), -np.inf)


def _starts(known: Networks, prices: Prices) -> NDArray[np.int64]:
    """Find the networks that earn most, over all and for every unit."""
    reduced = known.reduced_values(prices)
    best = np.argsort(-reduced, kind="stable")[:_CLIMBS]
    for_unit = np.where(np.isfinite(known.values), reduced[:, None], -np.inf).argmax(axis=0)
    return np.unique(np.concatenate([best, for_unit]))
