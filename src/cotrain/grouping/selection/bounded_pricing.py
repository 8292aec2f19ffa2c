"""Pricing by branch and bound over served sets: a proven bound for any number of tasks, exact when it finishes."""

from __future__ import annotations

from dataclasses import dataclass, replace
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
        fixed = self._fixed(prices)
        least = self.tolerance + fixed
        search = _Search(self.scores.benefit, self._task_prices(prices), self._member_prices(prices), least)
        nodes = search.roots(self.terms.rules.maximum_size)
        bounded, bound, ends = 0, least, [nodes.served[:0]]
        while len(nodes) and bounded < self.nodes:
            order = np.argsort(-nodes.bound, kind="stable")
            now, later = nodes.take(order[:_BATCH]), nodes.take(order[_BATCH:])
            members, value = search.finished(now)
            ends.append(members[value > fixed])
            bound = max(bound, float(value.max()))
            children = search.children(now)
            bounded += len(children)
            nodes = later + children.take(np.flatnonzero(children.bound > least))
        networks = self._networks(np.concatenate(ends), prices)
        return Priced(networks, max(bound, float(nodes.bound.max(initial=-np.inf))) - fixed)

    def _networks(self, members: Bools, prices: Prices) -> Networks:
        members = np.unique(members, axis=0)
        networks = self.terms.evaluate(members, self.scores.of(members))
        return networks.take(np.argsort(-networks.reduced_values(prices), kind="stable")[:MOST_RETURNED])

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
    """Open nodes.

    ``size`` and ``bound`` ``(nodes,)``; ``served``, ``barred`` from being served and ``out`` of the group
    ``(nodes, tasks)``.
    """

    size: NDArray[np.int64]
    served: Bools
    barred: Bools
    out: Bools
    bound: Floats

    def __len__(self) -> int:
        return len(self.size)

    @property
    def places(self) -> NDArray[np.int64]:
        """Places left in the group."""
        places: NDArray[np.int64] = self.size - self.served.sum(axis=1)
        return places

    def take(self, index: NDArray[np.int64]) -> _Nodes:
        return _Nodes(self.size[index], self.served[index], self.barred[index], self.out[index], self.bound[index])

    def __add__(self, other: _Nodes) -> _Nodes:
        names = ("size", "served", "barred", "out", "bound")
        return _Nodes(*(np.concatenate([getattr(self, name), getattr(other, name)]) for name in names))


@dataclass(frozen=True, eq=False)
class _Search:
    """The tree: ``benefit (tasks, tasks)``, prices ``(tasks,)``, and the value below which nothing matters."""

    benefit: Floats
    price: Floats
    member_price: Floats
    least: float

    def roots(self, maximum_size: int) -> _Nodes:
        """One node per size of group."""
        tasks = len(self.price)
        size = np.arange(2, min(maximum_size, tasks) + 1)
        nothing = np.zeros((len(size), tasks), dtype=bool)
        return self._bounded(_Nodes(size, nothing, nothing, nothing, np.full(len(size), np.inf)))

    def children(self, nodes: _Nodes) -> _Nodes:
        """Serve one more task, the most promising first; later children do not serve the earlier ones' tasks."""
        worth = self._worth(nodes, self._best_partners(nodes, nodes.places - 1))
        nodes = replace(nodes, out=nodes.out | self._hopeless(nodes, worth))
        worth = np.where(nodes.barred | nodes.out, -np.inf, worth)
        order = np.argsort(-worth, axis=1, kind="stable")
        rank = np.argsort(order, axis=1, kind="stable")
        node, task = np.nonzero(np.isfinite(worth) & (nodes.places > 0)[:, None])
        children = nodes.take(node)
        children.served[np.arange(len(node)), task] = True
        barred = (children.barred | (rank[node] < rank[node, task][:, None])) & ~children.served
        partners = self._best_partners(nodes, nodes.places - 2)[node]
        return self._bounded(replace(children, barred=barred), partners)

    def finished(self, nodes: _Nodes) -> tuple[Bools, Floats]:
        """Fill the places left by the best helpers and serve nobody else: groups and their values."""
        helpers = replace(nodes, barred=np.ones_like(nodes.barred))
        worth = np.where(nodes.served, np.inf, self._worth(helpers, np.zeros_like(self.price)))
        rank = np.argsort(np.argsort(-worth, axis=1, kind="stable"), axis=1, kind="stable")
        members = (rank < nodes.size[:, None]) & ~nodes.out
        return members, np.where(members & ~nodes.served, worth, 0.0).sum(axis=1) + self._served_value(nodes)

    def _bounded(self, nodes: _Nodes, partners: Floats | None = None) -> _Nodes:
        partners = self._best_partners(nodes, nodes.places - 1) if partners is None else partners
        ordered = -np.sort(-self._worth(nodes, partners), axis=1)
        filled = np.where(np.arange(ordered.shape[1]) < nodes.places[:, None], ordered, 0.0).sum(axis=1)
        return replace(nodes, bound=filled + self._served_value(nodes))

    def _hopeless(self, nodes: _Nodes, worth: Floats) -> Bools:
        """Tasks that no group worth looking at contains: swapping one in brings the bound below ``least``."""
        last = np.maximum(nodes.places - 1, 0)[:, None]
        weakest = np.take_along_axis(-np.sort(-worth, axis=1), last, axis=1)
        weaker = worth < weakest
        lost = np.subtract(weakest, worth, out=np.zeros_like(worth), where=weaker)
        return weaker & (nodes.bound[:, None] - lost <= self.least) & ~nodes.served

    def _served_value(self, nodes: _Nodes) -> Floats:
        inside = nodes.served.astype(np.float64)
        received = ((inside @ self.benefit) * inside).sum(axis=1)
        value: Floats = received / (nodes.size - 1) - inside @ (self.price + self.member_price)
        return value

    def _worth(self, nodes: _Nodes, partners: Floats) -> Floats:
        """Most that each task adds in a group of this size ``(nodes, tasks)``; ``-inf`` for those in and out."""
        inside = nodes.served.astype(np.float64)
        mean = 1.0 / (nodes.size - 1)[:, None]
        earned = np.maximum((inside @ self.benefit.T + partners) * mean - self.price, 0.0)
        given = (inside @ self.benefit) * mean - self.member_price
        return np.where(nodes.served | nodes.out, -np.inf, given + np.where(nodes.barred, 0.0, earned))

    def _best_partners(self, nodes: _Nodes, count: NDArray[np.int64]) -> Floats:
        """Sum of each task's ``count`` best partners among those neither in nor out ``(nodes, tasks)``."""
        order, ordered = self._preferences
        free = ~(nodes.served | nodes.out)[:, order]
        taken = free & (np.cumsum(free, axis=2, dtype=np.int16) <= count[:, None, None])
        return np.asarray(np.einsum("nij,ij->ni", taken, ordered))

    @cached_property
    def _preferences(self) -> tuple[NDArray[np.int64], Floats]:
        """Partners of every task, best first ``(tasks, tasks - 1)``, and what they give."""
        off = np.where(np.eye(len(self.price), dtype=bool), -np.inf, self.benefit)
        order = np.argsort(-off, axis=1, kind="stable")[:, :-1]
        return order, np.take_along_axis(off, order, axis=1)
