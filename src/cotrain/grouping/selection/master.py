"""The linear program over served sets whose duals drive column generation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog

from cotrain.errors import SolverError
from cotrain.grouping.selection.networks import Bools, Floats, Networks, Prices, first_of_each

_PENALTY = 1e4  # of a unit that nobody serves, in multiples of the spread of all values


@dataclass(frozen=True, eq=False)
class Columns:
    """Networks with the units each serves: the variables of the program.

    Parameters
    ----------
    networks
        One a row.
    served
        ``(networks, units)``.
    """

    networks: Networks
    served: Bools

    def __len__(self) -> int:
        return len(self.served)

    @property
    def worth(self) -> Floats:
        """Served values less the charge."""
        served: Floats = np.where(self.served, self.networks.values, 0.0).sum(axis=1)
        return served - self.networks.charge

    def __add__(self, other: Columns) -> Columns:
        return Columns(self.networks + other.networks, np.concatenate([self.served, other.served])).distinct()

    def distinct(self) -> Columns:
        """Return the columns without repetitions."""
        first = first_of_each(np.column_stack([self.networks.key, self.served]))
        return Columns(self.networks.take(first), self.served[first])


@dataclass(frozen=True, eq=False)
class MasterSolution:
    """Optimum of the program over the columns: its value, its duals, and how much it leaves unserved."""

    value: float
    prices: Prices
    unserved: float


def serve_above(networks: Networks, prices: Prices) -> Columns:
    """Return each network serving what it serves above the prices; networks that serve nothing are left out."""
    served = networks.values > prices.unit
    keep = np.flatnonzero(served.any(axis=1))
    return Columns(networks.take(keep), served[keep])


def solve_master(columns: Columns, limits: Floats) -> MasterSolution:
    """Maximise the worth of fractional columns that serve every unit once within the limits.

    Raises
    ------
    SolverError
        When HiGHS does not reach the optimum.
    """
    worth, units = columns.worth, columns.served.shape[1]
    spread = max(float(np.ptp(worth)), 1e-12)
    nobody = np.eye(units)
    answer = linprog(
        np.concatenate([-worth / spread, np.full(units, _PENALTY)]),
        A_ub=np.hstack([columns.networks.usage.T, np.zeros((len(limits), units))]),
        b_ub=limits,
        A_eq=np.hstack([columns.served.T.astype(np.float64), nobody]),
        b_eq=np.ones(units),
        method="highs",
    )
    if answer.status != 0 or answer.x is None:
        raise SolverError(f"HiGHS did not solve the master program (status {answer.status}): {answer.message}")
    unserved = float(answer.x[-units:].sum())
    prices = Prices(-answer.eqlin.marginals * spread, np.maximum(-answer.ineqlin.marginals * spread, 0.0))
    return MasterSolution(float(worth @ answer.x[:-units]), prices, unserved)
