"""Networks that could be trained, what each is worth to whom, and which of them to choose: the solvers' language."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Prices:
    """Dual prices: of serving each unit ``(units,)`` and of each resource ``(resources,)``."""

    unit: Floats
    resource: Floats


@dataclass(frozen=True, eq=False)
class Networks:
    """Possible networks, one a row.

    Parameters
    ----------
    members
        ``(networks, tasks)``: who trains in it.
    values
        ``(networks, units)``: worth of serving a unit (tasks served together) by it; ``-inf`` where it cannot.
    charge
        ``(networks,)``: taken off the objective when the network is chosen.
    usage
        ``(networks, resources)``: what it takes of every limited resource; the first is the count of networks.
    """

    members: Bools
    values: Floats
    charge: Floats
    usage: Floats

    def __len__(self) -> int:
        return len(self.members)

    def take(self, index: NDArray[np.int64]) -> Networks:
        """Return the rows at ``index``."""
        return Networks(self.members[index], self.values[index], self.charge[index], self.usage[index])

    def __add__(self, other: Networks) -> Networks:
        pairs = [(getattr(self, name), getattr(other, name)) for name in ("members", "values", "charge", "usage")]
        return Networks(*(np.concatenate(pair) for pair in pairs))

    def distinct(self) -> Networks:
        """Return the networks without repetitions, in their order."""
        return self.take(first_of_each(self.key))

    @property
    def key(self) -> Floats:
        """One row per network, equal for equal networks."""
        return np.column_stack([self.members, self.usage, self.values.astype(np.float32)])

    def reduced_values(self, prices: Prices) -> Floats:
        """Return what each network earns above the prices when it serves every unit worth serving."""
        earned: Floats = np.maximum(self.values - prices.unit, 0.0).sum(axis=1)
        return earned - self.charge - self.usage @ prices.resource


def first_of_each(rows: Floats) -> NDArray[np.int64]:
    """Return the positions of the first occurrence of every distinct row, in order."""
    first: NDArray[np.int64] = np.sort(np.unique(rows, axis=0, return_index=True)[1])
    return first


@dataclass(frozen=True, eq=False)
class Selection:
    """Chosen networks and the one that serves each unit.

    Parameters
    ----------
    networks
        The chosen ones, each serving at least one unit.
    serving
        ``(units,)``: row of ``networks``.
    value
        Sum of the served values minus the charges.
    bound
        Proven upper bound on the value of any selection.
    status
        What the solver said.
    """

    networks: Networks
    serving: NDArray[np.int64]
    value: float
    bound: float = float("inf")
    status: str = ""


def select(networks: Networks, *, bound: float = float("inf"), status: str = "") -> Selection:
    """Serve every unit by its best network and drop the networks that serve none; sort them by their tasks."""
    networks = networks.take(np.lexsort(~networks.members.T[::-1]))
    best = networks.values.argmax(axis=0)
    used, serving = np.unique(best, return_inverse=True)
    kept = networks.take(used)
    value = float(networks.values.max(axis=0).sum() - kept.charge.sum())
    return Selection(kept, serving.reshape(-1).astype(np.int64), value, max(bound, value), status)
