"""Linear program over all served sets of all networks, solved by column generation around central prices."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cotrain.grouping.selection.master import Columns, serve_above, solve_master
from cotrain.grouping.selection.networks import Floats, Prices
from cotrain.grouping.selection.pricing import Pricer

_ROUNDS = 400
_SMOOTHING = 0.5  # share of the best prices so far in the prices that are tried
_EVERYTHING_SERVED = 1e-6


@dataclass(frozen=True, eq=False)
class Relaxation:
    """Where column generation stands.

    Parameters
    ----------
    columns
        All found so far.
    prices
        The best so far.
    bound
        What they prove, if the pricer proves its bounds.
    value
        Of the program over the columns: no larger than the true bound.
    unserved
        Units that the columns cannot serve within the limits; positive when nothing is feasible.
    """

    columns: Columns
    prices: Prices
    bound: float
    value: float = -np.inf
    unserved: float = 0.0

    @property
    def is_feasible(self) -> bool:
        """Whether the columns serve every unit."""
        return self.unserved < _EVERYTHING_SERVED

    @property
    def gap(self) -> float:
        """Relative distance of bound and value."""
        return (self.bound - self.value) / max(abs(self.bound), 1e-12) if self.is_feasible else np.inf


def relax(pricer: Pricer, start: Relaxation, limits: Floats, *, tolerance: float, rounds: int = _ROUNDS) -> Relaxation:
    """Improve columns and prices until they meet within ``tolerance``.

    Prices are tried halfway between the program's duals and the best prices so far; that keeps them central, where
    few networks come near to being worth their price. For any prices, ``sum of unit prices + limits^T resource prices
    + most networks x largest reduced value`` bounds every selection (Lagrange).
    """
    now = start
    smoothing = 1.0
    for _ in range(rounds):
        master = solve_master(now.columns, limits)
        now = replace(now, value=master.value, unserved=master.unserved)
        if now.gap <= tolerance:
            break
        tried = blend(master.prices, now.prices, smoothing)
        priced = pricer.price(tried, now.columns.networks)
        bound = lagrange_bound(tried, priced.bound, limits)
        if bound < now.bound:
            now = replace(now, prices=tried, bound=bound)
        grown = now.columns + serve_above(priced.networks, master.prices) + serve_above(priced.networks, tried)
        if len(grown) == len(now.columns) and smoothing == 0.0:
            break
        smoothing = _SMOOTHING if len(grown) > len(now.columns) else 0.0
        now = replace(now, columns=grown)
    return now


def lagrange_bound(prices: Prices, largest_reduced: float, limits: Floats) -> float:
    """Return the upper bound that prices prove, given the largest reduced value at these prices."""
    networks = min(limits[0], len(prices.unit))
    return float(prices.unit.sum() + prices.resource @ limits + networks * max(largest_reduced, 0.0))


def blend(now: Prices, best: Prices, share: float) -> Prices:
    """Return the mix of two sets of prices with ``share`` of the second."""
    unit = share * best.unit + (1 - share) * now.unit
    return Prices(unit, share * best.resource + (1 - share) * now.resource)
