"""Few tasks: list every group, value every served set, partition exactly."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cotrain.grouping.selection.networks import Bools, Floats, Networks, Selection, select
from cotrain.grouping.selection.set_partition import best_partition

_ROWS = 512  # served sets valued at once


@lru_cache(maxsize=4)
def all_groups(tasks: int) -> Bools:
    """Return all non-empty groups ``(2^tasks - 1, tasks)``, small ones first."""
    members = patterns(tasks)[1:]
    return members[np.argsort(members.sum(axis=1), kind="stable")]


def choose_by_partition(networks: Networks, sets: int) -> Selection | None:
    """Choose at most ``sets`` networks exactly, by partitioning the units into served sets.

    A chosen network that serves the units U is worth ``v(U) = max over networks of sum over U of their values``, so
    the best choice is the best partition of the units under v; helpers and overlap vanish into v.
    ``O(2^units networks)`` for v, ``O(sets 3^units)`` for the partition.

    Returns
    -------
    Selection or None
        ``None`` when no choice is feasible.
    """
    value, network = _served_set_values(networks)
    total, sets_served = best_partition(value, sets)
    if not np.isfinite(total):
        return None
    found = select(networks.take(np.unique(network[sets_served])))
    return Selection(found.networks, found.serving, found.value, found.value, "optimal by dynamic programming")


def _served_set_values(networks: Networks) -> tuple[Floats, NDArray[np.int64]]:
    """Worth of serving each set of units ``(2^units,)`` by its best network, and that network."""
    sets = patterns(networks.values.shape[1])
    finite = np.isfinite(networks.values)
    known = np.where(finite, networks.values, 0.0)
    forbidding = 1e3 * (1.0 + np.abs(known).sum(axis=1).max() + np.abs(networks.charge).max())
    values = np.column_stack([np.where(finite, known, -forbidding), -networks.charge]).T
    served = np.column_stack([sets, np.ones(len(sets))])
    best, which = np.empty(len(sets)), np.empty(len(sets), dtype=np.int64)
    for start in range(0, len(sets), _ROWS):
        rows = slice(start, start + _ROWS)
        totals = served[rows] @ values
        which[rows] = totals.argmax(axis=1)
        best[rows] = totals[np.arange(len(totals)), which[rows]]
    return np.where(best < -forbidding / 2, -np.inf, best), which


@lru_cache(maxsize=4)
def patterns(items: int) -> Bools:
    """All subsets ``(2^items, items)``; row number = bit pattern."""
    return (np.arange(1 << items)[:, None] >> np.arange(items) & 1).astype(bool)
