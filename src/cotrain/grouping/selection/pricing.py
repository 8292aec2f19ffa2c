"""Networks that earn more than the prices: what column generation asks for in every round."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from functools import reduce
from typing import Protocol

import numpy as np

from cotrain.grouping.selection.networks import Networks, Prices

MOST_RETURNED = 200


@dataclass(frozen=True, eq=False)
class Priced:
    """Networks of large reduced value, and a proven upper bound on the reduced value of any network."""

    networks: Networks
    bound: float


class Pricer(Protocol):
    """Finds networks of large reduced value."""

    def price(self, prices: Prices, known: Networks) -> Priced:
        """Return promising networks and the proven bound; ``known`` networks may guide the search."""
        ...

    def within(self, prices: Prices, slack: float, limit: int) -> Networks | None:
        """Return all networks of reduced value at least ``-slack``; ``None`` when they are more than ``limit``."""
        ...


@dataclass(frozen=True, eq=False)
class ListedPricer:
    """Looks through a list of networks."""

    networks: Networks

    def price(self, prices: Prices, known: Networks) -> Priced:  # noqa: ARG002
        """See :class:`Pricer`; the bound is attained."""
        reduced = self.networks.reduced_values(prices)
        best = np.argsort(-reduced, kind="stable")[:MOST_RETURNED]
        return Priced(self.networks.take(best[reduced[best] > 0]), float(reduced.max()))

    def within(self, prices: Prices, slack: float, limit: int) -> Networks | None:
        """See :class:`Pricer`."""
        near = np.flatnonzero(self.networks.reduced_values(prices) >= -slack)
        return self.networks.take(near) if len(near) <= limit else None


@dataclass(frozen=True, eq=False)
class JointPricer:
    """Asks several pricers that together know every network."""

    parts: tuple[Pricer, ...]

    def price(self, prices: Prices, known: Networks) -> Priced:
        """See :class:`Pricer`."""
        found = [part.price(prices, known) for part in self.parts]
        networks = reduce(operator.add, (priced.networks for priced in found))
        return Priced(networks, max(priced.bound for priced in found))

    def within(self, prices: Prices, slack: float, limit: int) -> Networks | None:
        """See :class:`Pricer`."""
        found = [part.within(prices, slack, limit) for part in self.parts]
        known = [networks for networks in found if networks is not None]
        return reduce(operator.add, known) if len(known) == len(found) else None
