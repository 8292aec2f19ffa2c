"""Triangle inequalities: what a partition's matrix satisfies and its semidefinite relaxation need not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cotrain.grouping.matrices import Matrix

_LEAST_VIOLATION = 1e-4
_MOST_OF_ONE = 50  # new inequalities with the same first task


@dataclass(frozen=True, eq=False)
class Triangles:
    r"""Inequalities :math:`X_{ij} + X_{ik} \le X_{ii} + X_{jk}` with prices.

    Who shares a group with two others has them share it too, and entries within a group are equal; so every partition
    satisfies them. For any prices :math:`\ge 0`, a bound on :math:`\langle A - T, X \rangle`, where :math:`T` is the
    priced sum of left minus right sides, therefore bounds the value of every partition.

    Parameters
    ----------
    size
        Number of tasks.
    corners
        ``(inequalities, 3)``: the tasks i, j < k.
    prices
        ``(inequalities,)``.
    """

    size: int
    corners: NDArray[np.int64]
    prices: Matrix

    @classmethod
    def none(cls, size: int) -> Triangles:
        """Begin without inequalities."""
        return cls(size, np.zeros((0, 3), dtype=np.int64), np.zeros(0))

    @cached_property
    def matrix(self) -> Matrix:
        """The priced sum of left minus right sides, symmetric."""
        i, j, k = self.corners.T
        total = np.zeros((self.size, self.size))
        for row, column, sign in ((i, j, 1.0), (i, k, 1.0), (i, i, -1.0), (j, k, -1.0)):
            np.add.at(total, (row, column), sign * self.prices / 2)
        return np.asarray(total + total.T)

    def violations(self, solution: Matrix) -> Matrix:
        """Return by how much a symmetric matrix violates each."""
        i, j, k = self.corners.T
        violation: Matrix = solution[i, j] + solution[i, k] - solution[i, i] - solution[j, k]
        return violation

    def repriced(self, solution: Matrix, step: float) -> Triangles:
        """Raise the prices of what is violated and lower the others: a step of dual ascent."""
        return replace(self, prices=np.maximum(self.prices + step * self.violations(solution), 0.0))

    def renewed(self, solution: Matrix, most: int) -> Triangles:
        """Drop what costs nothing and add the ``most`` most violated. ``O(tasks * partners^2)``, partners few."""
        paid = self.prices > 0
        found = np.concatenate([_violated(solution, task) for task in range(self.size)])
        new = Triangles(self.size, found, np.zeros(len(found)))
        worst = np.argsort(-new.violations(solution), kind="stable")[:most]
        corners = np.concatenate([self.corners[paid], found[worst]])
        first = np.sort(np.unique(corners, axis=0, return_index=True)[1])
        prices = np.concatenate([self.prices[paid], np.zeros(len(worst))])
        return Triangles(self.size, corners[first], prices[first])


def _violated(solution: Matrix, task: int) -> NDArray[np.int64]:
    """Return the inequalities ``(found, 3)`` with ``task`` first that are violated most."""
    near = np.flatnonzero(solution[task] > _LEAST_VIOLATION)
    near = near[near != task]
    shared = solution[task, near]
    excess = np.triu(shared[:, None] + shared - solution[task, task] - solution[np.ix_(near, near)], k=1)
    j, k = np.nonzero(excess > _LEAST_VIOLATION)
    worst = np.argsort(-excess[j, k], kind="stable")[:_MOST_OF_ONE]
    return np.column_stack([np.full(len(worst), task), near[j[worst]], near[k[worst]]])
