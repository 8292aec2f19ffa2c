"""The semidefinite relaxation of the best group at given prices; its bounds hold whatever the multipliers.

A group of ``s`` tasks is a 0/1 vector ``v`` over items: every task served and, where helpers are looked at, every task
helping. Its reduced value is ``<C_s - Diag(price), v v'>``, where ``C_s`` holds half of what two items give each other,
over ``s - 1``. The relaxation replaces ``v v'`` by a positive semidefinite ``X >= 0`` of trace ``s`` with
``X 1 = s diag X`` and no pair of the same task.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from cotrain.grouping.selection.networks import Floats

Matrices: TypeAlias = NDArray[np.floating[Any]]  # in single or double precision


@dataclass(frozen=True, eq=False)
class GroupRelaxation:
    """Groups of some sizes.

    Parameters
    ----------
    benefit
        ``(tasks, tasks)`` with a zero diagonal: what the row's task receives.
    member_price
        ``(tasks,)``: taken off for every member, served or not.
    sizes
        ``(sizes,)``, each at least 2.
    helpers
        Whether members that are not served are looked at.
    """

    benefit: Floats
    member_price: Floats
    sizes: NDArray[np.int64]
    helpers: bool

    @property
    def tasks(self) -> int:
        """How many tasks there are."""
        return len(self.benefit)

    @property
    def items(self) -> int:
        """How many items there are; the first are the tasks served."""
        return self.tasks * (2 if self.helpers else 1)

    @cached_property
    def gains(self) -> Floats:
        """``(sizes, items, items)``: ``C_s``, the prices of members on its diagonal."""
        tasks = self.tasks
        half = np.zeros((self.items, self.items))
        half[:tasks, :tasks] = (self.benefit + self.benefit.T) / 2
        if self.helpers:
            half[:tasks, tasks:] = self.benefit / 2
            half[tasks:, :tasks] = self.benefit.T / 2
        gains: Floats = half / (self.sizes - 1.0)[:, None, None]
        diagonals(gains)[:] = -np.resize(self.member_price, self.items)
        return gains

    @cached_property
    def same_task(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows and columns of the pairs of different items that are the same task."""
        first = np.arange(self.tasks if self.helpers else 0)
        second = first + self.tasks
        return np.concatenate([first, second]), np.concatenate([second, first])

    def priced(self, matrices: Matrices, price: Floats) -> Matrices:
        """Subtract the prices of being served from the diagonals, in place."""
        diagonals(matrices)[:, : self.tasks] -= price
        return matrices

    def rows(self, matrices: Matrices) -> Floats:
        """Return ``X 1 - s diag X`` ``(sizes, items)``, which vanishes for groups."""
        return np.asarray(matrices.sum(axis=2) - self.sizes[:, None] * diagonals(matrices), dtype=np.float64)

    def spread(self, multiplier: Matrices) -> Matrices:
        """Return the matrices whose inner product with ``X`` is that of ``multiplier`` with :meth:`rows`."""
        matrices = (multiplier[:, :, None] + multiplier[:, None, :]) / 2
        diagonals(matrices)[:] -= self.sizes[:, None] * multiplier
        return matrices

    def bounds(self, price: Floats, nonnegative: Matrices, row: Floats) -> Floats:
        r"""Return an upper bound on the reduced value of any group of each size.

        :math:`s \lambda_{\max}(C_s - \mathrm{Diag}(p) + N + A^* \alpha)` for any multipliers :math:`N \ge 0` (of any
        sign for pairs of the same task) and :math:`\alpha`: the two added terms are no less than 0 on groups.
        """
        total = self.priced(self.gains + nonnegative + self.spread(row), price)
        last = (self.items - 1, self.items - 1)
        largest = [
            scipy.linalg.eigh(one, eigvals_only=True, subset_by_index=last, check_finite=False)[0] for one in total
        ]
        return np.asarray(self.sizes * np.array(largest))


def diagonals(matrices: Matrices) -> Matrices:
    """Return a view of the diagonals ``(matrices, items)``."""
    view: Matrices = np.einsum("kii->ki", matrices)
    return view


def row_bounds(benefit: Floats, member_price: Floats, price: Floats) -> Floats:
    """Bound the reduced value of any group of size 2, 3, ...: every task receives from its best partners."""
    tasks = len(benefit)
    partners = -np.sort(-np.where(np.eye(tasks, dtype=bool), -np.inf, benefit), axis=1)[:, :-1]
    mean = np.cumsum(partners, axis=1) / np.arange(1, tasks)
    worth = np.maximum(mean - price[:, None], 0.0) - member_price[:, None]
    ordered = -np.sort(-worth, axis=0)
    return np.asarray([ordered[: size + 1, size - 1].sum() for size in range(1, tasks)])
