"""Exact pricing by looking at every group of up to 24 tasks, a block of them at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cotrain.grouping.selection.constraints import peaceful
from cotrain.grouping.selection.enumeration import patterns
from cotrain.grouping.selection.group_scores import GroupScores
from cotrain.grouping.selection.networks import Bools, Floats, Networks, Prices
from cotrain.grouping.selection.pricing import MOST_RETURNED, Priced
from cotrain.grouping.selection.terms import Terms

_LOW = 12  # tasks whose subsets make up one block


@dataclass(frozen=True, eq=False)
class EnumeratedPricer:
    """Prices all groups of at least two tasks as if none existed yet; single tasks and existing groups go in a list.

    With ``r_u(G) = sum over i in u, j in G of benefit[i, j]`` a group earns
    ``sum_u max(r_u(G) - price_u (|G| - 1), 0) / (|G| - 1)`` less charge and usage; ``r_u`` is a sum of one table over
    the first tasks of the group and one over the others. ``O(units 2^tasks)`` additions, ``O(units 4096)`` memory.

    Parameters
    ----------
    scores
        Of any group.
    terms
        Rules, limits and charges; a cost must be a :class:`~cotrain.grouping.selection.budget.LinearCost`.
    """

    scores: GroupScores
    terms: Terms

    def price(self, prices: Prices, known: Networks) -> Priced:  # noqa: ARG002
        """See :class:`~cotrain.grouping.selection.pricing.Pricer`; the bound is attained."""
        tops = [(float(reduced.max()), block, int(reduced.argmax())) for block, reduced in self._blocks(prices)]
        tops.sort(key=lambda top: -top[0])
        chosen = [(block, position) for value, block, position in tops[:MOST_RETURNED] if value > 0]
        return Priced(self._networks(np.array(chosen, dtype=np.int64).reshape(-1, 2)), tops[0][0])

    def within(self, prices: Prices, slack: float, limit: int) -> Networks | None:
        """See :class:`~cotrain.grouping.selection.pricing.Pricer`."""
        chosen: list[NDArray[np.int64]] = []
        for block, reduced in self._blocks(prices):
            near = np.flatnonzero(reduced >= -slack)
            chosen.append(np.column_stack([np.full(len(near), block), near]))
            if sum(map(len, chosen)) > limit:
                return None
        return self._networks(np.concatenate(chosen))

    def _blocks(self, prices: Prices) -> Iterator[tuple[int, Floats]]:
        """Reduced values of the groups that share their last tasks, for every choice of those."""
        first, last = self._halves
        table = np.where(first.complete, first.sums - prices.unit[:, None] * first.size, -np.inf)
        cost_price = prices.resource[1] if self.terms.cost_budget is not None else 0.0
        fixed = self.terms.charge + self.terms.new_charge + prices.resource[0]
        fixed += prices.resource[-1] if self.terms.new_networks is not None else 0.0
        for block, size in enumerate(last.size):
            able = last.complete[:, block]
            offset = last.sums[:, block] - prices.unit * (size - 1)
            earned = np.maximum(table[able] + offset[able, None], 0.0).sum(axis=0) / np.maximum(
                first.size + size - 1, 1
            )
            reduced = earned - cost_price * (first.cost + last.cost[block]) - fixed
            yield block, np.where(self._allowed(block), reduced, -np.inf)

    def _allowed(self, block: int) -> Bools:
        first, last = self._halves
        size, rules = first.size + last.size[block], self.terms.rules
        allowed: Bools = (size >= 2) & (size <= rules.maximum_size) & first.peaceful & last.peaceful[block]
        if rules.conflicts.any():
            split = first.members.shape[1]
            enemies = rules.conflicts[:split, split:] @ last.members[block]
            allowed &= ~(first.members & enemies).any(axis=1)
        if self.terms.cost_budget is not None:
            allowed &= first.cost + last.cost[block] <= self.terms.limits[1]
        return allowed

    @cached_property
    def _halves(self) -> tuple[_Half, _Half]:
        count = len(self.terms.tasks)
        split = min(_LOW, count - 1)
        parts = (np.arange(split), np.arange(split, count))
        return _half(self.scores, self.terms, parts[0], with_trunk=True), _half(self.scores, self.terms, parts[1])

    def _networks(self, chosen: NDArray[np.int64]) -> Networks:
        first, last = self._halves
        members = np.concatenate([first.members[chosen[:, 1]], last.members[chosen[:, 0]]], axis=1)
        return self.terms.evaluate(members, self.scores.of(members))


@dataclass(frozen=True, eq=False)
class _Half:
    """What the subsets of some of the tasks add to a group.

    ``members (subsets, tasks)``, ``size``, ``cost``, ``peaceful`` (no conflict inside) ``(subsets,)``; ``sums`` and
    ``complete`` (nobody needed is missing here) ``(units, subsets)``.
    """

    members: Bools
    size: NDArray[np.int64]
    cost: Floats
    peaceful: Bools
    sums: Floats
    complete: Bools


def _half(scores: GroupScores, terms: Terms, part: NDArray[np.int64], *, with_trunk: bool = False) -> _Half:
    members = patterns(len(part))
    inside = members.astype(np.float64)
    needs = terms.rules.unit_needs[:, part].astype(np.float64)
    unit_benefit = terms.rules.units.astype(np.float64) @ scores.benefit
    return _Half(
        members,
        members.sum(axis=1),
        _linear_cost(terms, part, inside, with_trunk=with_trunk),
        peaceful(members, terms.rules.conflicts[np.ix_(part, part)]),
        unit_benefit[:, part] @ inside.T,
        needs @ inside.T >= needs.sum(axis=1, keepdims=True),
    )


def _linear_cost(terms: Terms, part: NDArray[np.int64], inside: Floats, *, with_trunk: bool) -> Floats:
    budget = terms.cost_budget
    if budget is None or not budget.is_linear:
        return np.zeros(len(inside))
    trunk, heads = budget.coefficients(terms.tasks)
    return inside @ heads[part] + (trunk if with_trunk else 0.0)
