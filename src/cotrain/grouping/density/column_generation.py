"""Exact partitions of up to some 24 tasks: a linear program over few of the subsets, priced over the table of all."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

from cotrain.errors import SolverError
from cotrain.grouping.density.group_count import GroupCount
from cotrain.grouping.density.objective import subset_sums
from cotrain.grouping.matrices import Matrix

_BLOCKS = 256
_SMOOTHING = 0.5
_EPSILON, _PROOF = 1e-9, 1e-7  # of the largest worth
_MOST_COLUMNS = 20_000
_MOST_ROUNDS = 500


@dataclass(frozen=True)
class Optimum:
    """Chosen subsets as bit patterns, and an upper bound; equal to their worth where optimality is proven."""

    subsets: list[int]
    bound: float
    exact: bool


@dataclass(frozen=True, eq=False)
class _Prices:
    """Prices of tasks and of a subset, the reduced costs at them, and the largest of these, one for each group."""

    duals: Matrix
    price: float
    reduced: Matrix
    base: float
    tops: Matrix

    @property
    def bound(self) -> float:
        """Of any choice: what the prices sum to plus the largest reduced costs."""
        return self.base + float(self.tops.sum())

    def bound_with(self) -> Matrix:
        """Return the bound of the choices that hold a subset, for each subset."""
        bounds: Matrix = self.base + float(self.tops[1:].sum()) + self.reduced
        return bounds


@dataclass(frozen=True)
class ColumnGeneration:
    """Choose subsets of greatest total worth that hold every task once (``cover``: at least once).

    The linear program is solved over a growing pool of subsets until no subset outside has positive reduced cost, so
    its value bounds every choice. Then only subsets whose reduced cost is within the remaining gap can be in an
    optimum; an integer program over those is exact.

    Parameters
    ----------
    worth
        ``(2^tasks,)``: worth of each subset by its bit pattern.
    count
        How many subsets; a price is expected to be in ``worth`` already.
    cover
        Whether tasks may be held more than once; subsets are different either way.
    """

    worth: Matrix
    count: GroupCount
    cover: bool = False

    def solve(self, incumbent: list[int]) -> Optimum:
        """Return an optimum, given any feasible choice to start from.

        Prices are smoothed towards the best so far, which spares hundreds of rounds where the program has many dual
        solutions. Cost: ``O(2^tasks)`` for each of some tens of pricing rounds.
        """
        scale = float(np.abs(self.worth).max()) or 1.0
        found = _Scaled(self.worth / scale, self.count, self.cover).solve(incumbent)
        return replace(found, bound=found.bound * scale)


@dataclass(frozen=True, eq=False)
class _Scaled:
    """The same problem with the largest worth one, as the solvers' tolerances expect."""

    worth: Matrix
    count: GroupCount
    cover: bool

    def solve(self, incumbent: list[int]) -> Optimum:
        value = float(self.worth[incumbent].sum())
        pool = np.unique(np.array([*incumbent, *(1 << np.arange(self._tasks)), len(self.worth) - 1], dtype=np.int64))
        best, smoothing = self._priced(*self._shares(incumbent)), 0.0
        for _ in range(_MOST_ROUNDS):
            relaxed, duals, price = self._relaxed(pool)
            if best.bound - max(relaxed, value) <= _PROOF:
                return self._integral(best, pool, incumbent, value)
            mixed = smoothing * best.duals + (1 - smoothing) * duals, smoothing * best.price + (1 - smoothing) * price
            tried = self._priced(*mixed)
            best = min(best, tried, key=lambda priced: priced.bound)
            fresh = self._promising(tried.reduced, pool)
            if not len(fresh) and smoothing == 0.0:
                return self._integral(best, pool, incumbent, value)
            smoothing = _SMOOTHING if len(fresh) else 0.0
            pool = np.union1d(pool, fresh)
        raise SolverError(f"column generation did not converge in {_MOST_ROUNDS} rounds (tasks: {self._tasks})")

    def _shares(self, incumbent: list[int]) -> tuple[Matrix, float]:
        """Return prices to begin with: each subset's worth shared evenly; none above zero where sharing is free."""
        members = (np.array(incumbent)[:, None] >> np.arange(self._tasks)) & 1
        shares = (self.worth[incumbent] / members.sum(axis=1)) @ members
        return np.minimum(shares, 0.0) if self.cover else shares, 0.0

    def _priced(self, duals: Matrix, price: float) -> _Prices:
        """Return the reduced costs at any prices, and the bound that they prove (Lagrange)."""
        reduced = self.worth - subset_sums(duals) - price
        reduced[0] = -np.inf
        tops = np.sort(np.partition(reduced, -self.count.most)[-self.count.most :])
        if not self.count.exact:
            tops = np.maximum(tops, 0.0)
        return _Prices(duals, price, reduced, float(duals.sum()) + self.count.most * price, tops)

    @property
    def _tasks(self) -> int:
        return len(self.worth).bit_length() - 1

    def _rows(self, pool: NDArray[np.int64]) -> Matrix:
        """Membership of each task, then a row that counts subsets."""
        member = (pool[None, :] >> np.arange(self._tasks)[:, None]) & 1
        return np.vstack([member, np.ones((1, len(pool)))]).astype(np.float64)

    def _relaxed(self, pool: NDArray[np.int64]) -> tuple[float, Matrix, float]:
        """Return the value of the linear program over the pool and the prices of tasks and of a subset."""
        rows, equal = self._rows(pool), self._equalities()
        right = np.append(np.ones(self._tasks), self.count.most)
        sign = np.append(-np.ones(self._tasks), 1.0)
        answer = linprog(
            -self.worth[pool],
            A_eq=rows[equal], b_eq=right[equal],
            A_ub=(sign[:, None] * rows)[~equal], b_ub=(sign * right)[~equal],
            bounds=(0, 1 if self.cover else None), method="highs",
        )  # fmt: skip
        if answer.status != 0:
            raise SolverError(
                f"HiGHS did not solve the linear program of columns (status {answer.status}): {answer.message}"
            )
        duals = np.zeros(self._tasks + 1)
        duals[equal] = -answer.eqlin.marginals
        duals[~equal] = -answer.ineqlin.marginals * sign[~equal]
        return -float(answer.fun or 0.0), duals[:-1], float(duals[-1])

    def _equalities(self) -> NDArray[np.bool_]:
        return np.append(np.full(self._tasks, not self.cover), self.count.exact)

    def _promising(self, reduced: Matrix, pool: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the subset of highest reduced cost from each stretch of the table, where it is positive."""
        outside = reduced.copy()
        outside[pool] = -np.inf
        blocks = outside.reshape(min(_BLOCKS, len(reduced)), -1)
        best = blocks.argmax(axis=1)
        found = blocks[np.arange(len(blocks)), best] > _EPSILON
        chosen: NDArray[np.int64] = (np.arange(len(blocks)) * blocks.shape[1] + best)[found]
        return chosen

    def _integral(self, best: _Prices, pool: NDArray[np.int64], incumbent: list[int], value: float) -> Optimum:
        """Solve over the subsets found, then over all that an optimum could still hold."""
        possible = pool
        for _ in range(2):
            if best.bound - value <= _PROOF:
                return Optimum(incumbent, value, exact=True)
            chosen = possible[self._chosen(possible)]
            incumbent, value = chosen.tolist(), float(self.worth[chosen].sum())
            possible = np.union1d(np.flatnonzero(best.bound_with() >= value - _EPSILON), pool)
            if len(possible) > _MOST_COLUMNS:
                return Optimum(incumbent, best.bound, exact=False)
        return Optimum(incumbent, value, exact=True)

    def _chosen(self, possible: NDArray[np.int64]) -> NDArray[np.bool_]:
        low = np.append(np.ones(self._tasks), self.count.most if self.count.exact else 0)
        high = np.append(np.full(self._tasks, np.inf if self.cover else 1), self.count.most)
        answer = milp(
            -self.worth[possible],
            constraints=LinearConstraint(self._rows(possible), low, high),
            integrality=np.ones(len(possible), dtype=np.int64),
            bounds=Bounds(0, 1),
            options={"mip_rel_gap": 0.0},
        )
        if answer.status != 0:
            raise SolverError(
                f"HiGHS did not solve the integer program of columns (status {answer.status}): {answer.message}"
            )
        chosen: NDArray[np.bool_] = answer.x > 0.5
        return chosen
