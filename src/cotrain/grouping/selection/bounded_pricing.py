"""Pricing by branch and bound over served sets: a proven bound for any number of tasks, exact when it finishes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cotrain.grouping.selection.group_scores import GroupScores
from cotrain.grouping.selection.networks import Bools, Floats, Networks, Prices
from cotrain.grouping.selection.pricing import MOST_RETURNED, Priced
from cotrain.grouping.selection.terms import Terms

_BATCH = 64


@dataclass(frozen=True, eq=False)
class BoundedPricer:
    """Best-first search for the group of at least two tasks with the largest reduced value.

    A node fixes the size ``s`` of the group, tasks U that it serves and tasks P that it does not serve (they may
    help). The others fill the ``s - |U|`` places left; a task j there is worth at most what it gives to U plus, unless
    it is in P, what it may earn itself from U and its best other partners. The largest such sums bound the node. Linked
    tasks, needs and conflicts are left out of the bound (it stays valid), and all groups count as new.

    Parameters
    ----------
    scores
        Of any group.
    terms
        Rules, limits, charges.
    tolerance
        Nodes whose bound is below this are not opened.
    nodes
        Most nodes bounded in one call.
    """

    scores: GroupScores
    terms: Terms
    tolerance: float
    nodes: int

    def price(self, prices: Prices, known: Networks) -> Priced:  # noqa: ARG002
        """See :class:`~cotrain.grouping.selection.pricing.Pricer`; the bound holds however early the search stops."""
        search = _Search(self.scores.benefit, self._task_prices(prices), self._member_prices(prices), self.terms)
        fixed = self._fixed(prices)
        nodes = search.roots()
        pruned, bounded = -np.inf, len(nodes)
        ends = [nodes.served[:0]]
        while len(nodes) and bounded < self.nodes:
            order = np.argsort(-nodes.bound, kind="stable")
            now, later = nodes.take(order[:_BATCH]), nodes.take(order[_BATCH:])
            members, value = search.finished(now)
            ends.append(members[value - fixed > 0])
            children = search.children(now)
            bounded += len(children)
            open_ = children.bound - fixed > self.tolerance
            pruned = max(pruned, float(children.bound[~open_].max(initial=-np.inf)), float(value.max()))
            nodes = later + children.take(np.flatnonzero(open_))
        bound = max(pruned, float(nodes.bound.max(initial=-np.inf))) - fixed
        members = np.unique(np.concatenate(ends), axis=0)
        networks = self.terms.evaluate(members, self.scores.of(members))
        best = np.argsort(-networks.reduced_values(prices), kind="stable")[:MOST_RETURNED]
        return Priced(networks.take(best), bound)

    def within(self, prices: Prices, slack: float, limit: int) -> Networks | None:  # noqa: ARG002
        """See :class:`~cotrain.grouping.selection.pricing.Pricer`; never claims to know all."""
        return None

    def _task_prices(self, prices: Prices) -> Floats:
        units = self.terms.rules.units.astype(np.float64)
        shares: Floats = (prices.unit / units.sum(axis=1)) @ units
        return shares

    def _member_prices(self, prices: Prices) -> Floats:
        budget = self.terms.cost_budget
        if budget is None or not budget.is_linear:
            return np.zeros(len(self.terms.tasks))
        return float(prices.resource[1]) * budget.coefficients(self.terms.tasks)[1]

    def _fixed(self, prices: Prices) -> float:
        fixed = self.terms.charge + self.terms.new_charge + float(prices.resource[0])
        budget = self.terms.cost_budget
        if budget is not None and budget.is_linear:
            fixed += float(prices.resource[1]) * budget.coefficients(self.terms.tasks)[0]
        return fixed + (float(prices.resource[-1]) if self.terms.new_networks is not None else 0.0)


@dataclass(frozen=True, eq=False)
class _Nodes:
    """``size`` and ``bound`` ``(nodes,)``, ``served`` and ``barred`` from being served ``(nodes, tasks)``."""

    size: NDArray[np.int64]
    served: Bools
    barred: Bools
    bound: Floats

    def __len__(self) -> int:
        return len(self.size)

    def take(self, index: NDArray[np.int64]) -> _Nodes:
        return _Nodes(self.size[index], self.served[index], self.barred[index], self.bound[index])

    def __add__(self, other: _Nodes) -> _Nodes:
        pairs = [(getattr(self, name), getattr(other, name)) for name in ("size", "served", "barred", "bound")]
        return _Nodes(*(np.concatenate(pair) for pair in pairs))


@dataclass(frozen=True, eq=False)
class _Search:
    benefit: Floats
    price: Floats
    member_price: Floats
    terms: Terms

    def roots(self) -> _Nodes:
        """One node per size of group."""
        tasks = len(self.price)
        size = np.arange(2, min(self.terms.rules.maximum_size, tasks) + 1)
        nothing = np.zeros((len(size), tasks), dtype=bool)
        return self._bounded(size, nothing, nothing)

    def children(self, nodes: _Nodes) -> _Nodes:
        """Serve one more task, the most promising first; later children do not serve the earlier ones' tasks."""
        worth = np.where(nodes.served | nodes.barred, -np.inf, self._worth(nodes.size, nodes.served, nodes.barred))
        order = np.argsort(-worth, axis=1, kind="stable")
        tasks = len(self.price)
        rank = np.empty_like(order)
        np.put_along_axis(rank, order, np.broadcast_to(np.arange(tasks), order.shape), axis=1)
        node, task = np.nonzero(np.isfinite(worth) & (nodes.size > nodes.served.sum(axis=1))[:, None])
        earlier = rank[node] < rank[node, task][:, None]
        served = nodes.served[node]
        served[np.arange(len(node)), task] = True
        barred = (nodes.barred[node] | earlier) & ~served
        return self._bounded(nodes.size[node], served, barred)

    def finished(self, nodes: _Nodes) -> tuple[Bools, Floats]:
        """Fill the places left by the best helpers and serve nobody else: groups and their values."""
        worth = self._worth(nodes.size, nodes.served, np.ones_like(nodes.barred))
        worth = np.where(nodes.served, np.inf, worth)
        rank = np.argsort(np.argsort(-worth, axis=1, kind="stable"), axis=1, kind="stable")
        members = rank < nodes.size[:, None]
        helpers = np.where(members & ~nodes.served, worth, 0.0).sum(axis=1)
        return members, helpers + self._served_value(nodes.size, nodes.served)

    def _bounded(self, size: NDArray[np.int64], served: Bools, barred: Bools) -> _Nodes:
        worth = np.where(served, -np.inf, self._worth(size, served, barred))
        ordered = -np.sort(-worth, axis=1)
        places = (size - served.sum(axis=1))[:, None]
        filled = np.where(np.arange(worth.shape[1]) < places, ordered, 0.0).sum(axis=1)
        return _Nodes(size, served, barred, filled + self._served_value(size, served))

    def _served_value(self, size: NDArray[np.int64], served: Bools) -> Floats:
        inside = served.astype(np.float64)
        received = ((inside @ self.benefit) * inside).sum(axis=1)
        value: Floats = received / (size - 1) - inside @ (self.price + self.member_price)
        return value

    def _worth(self, size: NDArray[np.int64], served: Bools, barred: Bools) -> Floats:
        """Most that each task outside U adds in a group of this size ``(nodes, tasks)``."""
        inside = served.astype(np.float64)
        partners = (size - 1)[:, None]
        given, received = inside @ self.benefit, inside @ self.benefit.T
        others = np.maximum(partners - inside.sum(axis=1, keepdims=True), 0).astype(np.int64)
        tops = self._top_sums
        most = np.minimum(received + tops[others[:, 0]], tops[partners[:, 0]])
        earned = np.where(barred, 0.0, np.maximum(most / partners - self.price, 0.0))
        worth: Floats = given / partners + earned - self.member_price
        return worth

    @cached_property
    def _top_sums(self) -> Floats:
        """``(tasks, tasks)``: row m = sum of the m best partners of every task."""
        off = np.where(np.eye(len(self.price), dtype=bool), -np.inf, self.benefit)
        ordered = -np.sort(-off, axis=1)[:, :-1]
        return np.concatenate([np.zeros((1, len(self.price))), np.cumsum(ordered, axis=1).T])
