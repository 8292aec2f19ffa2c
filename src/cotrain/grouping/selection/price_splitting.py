"""ADMM on the dual of the relaxed groups: multipliers for one size at given prices, or prices for all sizes at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import scipy.linalg

from cotrain.grouping.selection.group_relaxation import GroupRelaxation, Matrices, diagonals
from cotrain.grouping.selection.networks import Floats

_STEP_LENGTH = 1.6  # of the primal update; below the golden ratio
_WEIGHT = 5.0  # at the start, in natural units
_LEAST_SHARE = 0.2  # of the groups, below which a primal start is not scaled up to all
_BALANCE_EVERY, _IMBALANCE, _FACTOR = 10, 20.0, 1.5  # when and by how much the weight changes


class Multipliers(NamedTuple):
    """Where the solver stands, by size: primal ``X``, slack ``Z``, multipliers of ``X >= 0`` and of its rows.

    The matrices are in single precision: bounds are evaluated in double for whatever they are.
    """

    primal: Matrices
    slack: Matrices
    nonnegative: Matrices
    row: Floats

    @classmethod
    def nothing(cls, sizes: int, items: int) -> Multipliers:
        """Begin at zero."""
        matrices = [np.zeros((sizes, items, items), dtype=np.float32) for _ in range(3)]
        return cls(matrices[0], matrices[1], matrices[2], np.zeros((sizes, items)))

    @classmethod
    def joined(cls, parts: Sequence[Multipliers]) -> Multipliers:
        """Put sizes together."""
        primal, slack, nonnegative, row = (np.concatenate([part[field] for part in parts]) for field in range(4))
        return cls(primal, slack, nonnegative, row)

    def of_size(self, position: int) -> Multipliers:
        """Return those of one size."""
        one = slice(position, position + 1)
        return Multipliers(self.primal[one], self.slack[one], self.nonnegative[one], self.row[one])

    def with_items(self, items: int) -> Multipliers:
        """Add items that take no part yet."""
        more = items - self.row.shape[1]
        square = ((0, 0), (0, more), (0, more))
        primal, slack, nonnegative = (np.pad(part, square) for part in (self.primal, self.slack, self.nonnegative))
        return Multipliers(primal, slack, nonnegative, np.pad(self.row, square[:2]))


@dataclass(frozen=True, eq=False)
class Singles:
    """Tasks alone ``(tasks,)``: what they are worth, beside the groups in the search for prices."""

    worth: Floats
    primal: Floats
    slack: Floats


@dataclass(frozen=True, eq=False)
class NormalEquations:
    """Of row multipliers, prices and level: every operator is a multiple of the identity plus one of the ones.

    Rows of a matrix composed with their adjoint are ``scale I + 1 1' / 2``; rows of ``Diag(p)`` are ``shift p``.
    """

    relaxation: GroupRelaxation

    @cached_property
    def shift(self) -> Floats:
        """By size."""
        return np.asarray(1.0 - self.relaxation.sizes)

    @cached_property
    def scale(self) -> Floats:
        """By size."""
        return np.asarray(self.relaxation.items / 2 + self.shift**2 - 1)

    @cached_property
    def whole(self) -> Floats:
        """Scale of the ones, by size."""
        return self.scale + self.relaxation.items / 2

    @cached_property
    def each(self) -> float:
        """Of the prices, where the rows are solved for."""
        return float((1.0 - self.shift**2 / self.scale).sum())

    @cached_property
    def mean(self) -> float:
        """Of the sum of the prices in the equation of each."""
        return float((self.shift**2 / (2 * self.scale * self.whole)).sum())

    @cached_property
    def cross(self) -> float:
        """Of the level in the equation of each price, and of each price in that of the level."""
        return float(((1.0 - self.shift**2 / self.whole) / self.relaxation.sizes).sum())

    @cached_property
    def own(self) -> float:
        """Of the level in its equation."""
        return float((self.relaxation.items * (1.0 - self.shift**2 / self.whole) / self.relaxation.sizes**2).sum())

    def inverse(self, rows: Floats) -> Floats:
        """Solve for row multipliers ``(sizes, items)``."""
        total = rows.sum(axis=1, keepdims=True)
        return np.asarray(rows / self.scale[:, None] - total / (2 * self.scale * self.whole)[:, None])


class PriceSplitting:
    r"""Minimise ``sum of prices + networks x price of a network`` so that no relaxed group is worth more than it costs.

    The dual is ``(\mu / s) I + Diag(p) - C_s - N_s - A^* \alpha_s = Z_s`` positive semidefinite for every size; three
    blocks of variables are updated in turn: ``(p, \mu, \alpha)``, which has a closed solution because every operator is
    a multiple of the identity plus one of the ones, then ``N``, then ``Z`` by eigenvalues (Sun, Toh and Yang, 2015).

    Parameters
    ----------
    relaxation
        The groups.
    networks
        How many of them.
    price
        ``(tasks,)``: of being served.
    start
        Where to begin.
    alone
        ``(tasks,)``: worth of tasks alone. With it the prices are looked for; without, they stay.
    least
        Least price of a network.
    """

    def __init__(
        self, relaxation: GroupRelaxation, networks: float, price: Floats, start: Multipliers,
        *, alone: Floats | None = None, least: float = -np.inf,
    ) -> None:  # fmt: skip
        self.relaxation, self.networks, self.least = relaxation, networks, least
        self.price, self.steps = price, 0
        self.singles = None if alone is None else Singles(alone, np.zeros_like(alone), np.maximum(price - alone, 0.0))
        groups = float((np.trace(start.primal, axis1=1, axis2=2) / relaxation.sizes).sum())
        scale = networks / max(groups, _LEAST_SHARE * networks)
        self.at = start._replace(primal=scale * start.primal)
        received = np.abs(relaxation.gains).sum(axis=2).max(axis=1) / relaxation.sizes
        self.unit = max(float(received.mean()), 1e-12)
        self.weight = _WEIGHT * networks / len(relaxation.sizes) / self.unit
        self.gains, self.normal = relaxation.gains.astype(np.float32), NormalEquations(relaxation)

    def bounds(self) -> Floats:
        """Return what the multipliers prove of each size at the prices."""
        return self.relaxation.bounds(self.price, self.at.nonnegative, self.at.row)

    def run(self, steps: int) -> None:
        """Take some steps."""
        for _ in range(steps):
            self._step()

    def _step(self) -> None:
        known, at = self.relaxation, self.at
        base = at.slack + self.gains + at.primal / self.weight
        row, level = self._solve(base + at.nonnegative)
        base = known.priced(base + known.spread(row.astype(base.dtype)), self.price)
        diagonals(base)[:] -= (level / known.sizes)[:, None]
        nonnegative = np.maximum(-base, 0.0)
        diagonals(nonnegative)[:] = 0.0
        nonnegative[:, *known.same_task] = -base[:, *known.same_task]
        target = base + nonnegative - at.slack
        positive = np.stack([_positive_part(one) for one in target])
        moved = self.weight * positive - at.primal
        self.at = Multipliers(at.primal + _STEP_LENGTH * moved, positive - target, nonnegative, row)
        self._move_singles(level)
        self.steps += 1
        if self.steps % _BALANCE_EVERY == 0:
            self._balance(self.weight * positive, moved)

    def _solve(self, whole: Matrices) -> tuple[Floats, float]:
        """Return row multipliers and the price of a network; find the prices too if tasks alone are known."""
        known, tasks = self.relaxation, self.relaxation.tasks
        normal, rows, diagonal = self.normal, known.rows(whole), diagonals(whole)
        traces = (diagonal.sum(axis=1) - normal.shift * rows.sum(axis=1) / normal.whole) / known.sizes
        level_side = float(traces.sum()) - self.networks / self.weight
        if self.singles is None:
            level = (level_side - normal.cross * float(self.price.sum())) / normal.own
        else:
            alone = self.singles.slack + self.singles.worth + self.singles.primal / self.weight
            side = (diagonal - normal.shift[:, None] * normal.inverse(rows))[:, :tasks].sum(axis=0) + alone
            self.price, level = self._prices(side - 1.0 / self.weight, level_side + float(alone.sum()))
        priced = np.zeros(known.items)
        priced[:tasks] = self.price
        return normal.inverse(normal.shift[:, None] * (priced + (level / known.sizes)[:, None]) - rows), level

    def _prices(self, side: Floats, level_side: float) -> tuple[Floats, float]:
        """Solve ``each p + mean 1 1' p + cross level = side`` with the equation of the level, which has a least."""
        tasks, normal = len(side), self.normal
        cross, own = normal.cross + 1.0, normal.own + tasks
        system = np.array([[1.0 + normal.each + tasks * normal.mean, tasks * cross], [cross, own]])
        total, level = np.linalg.solve(system, [side.sum(), level_side])
        if level < self.least:
            total, level = (side.sum() - tasks * cross * self.least) / system[0, 0], self.least
        return (side - normal.mean * total - cross * level) / (1.0 + normal.each), float(level)

    def _move_singles(self, level: float) -> None:
        if self.singles is None:
            return
        worth, primal = self.singles.worth, self.singles.primal
        target = worth + primal / self.weight - self.price - level
        positive = np.maximum(target, 0.0)
        moved = self.weight * positive - primal
        self.singles = Singles(worth, primal + _STEP_LENGTH * moved, positive - target)

    def _balance(self, reached: Matrices, moved: Matrices) -> None:
        """Keep what the primal violates and what it moves by within a factor of each other."""
        known = self.relaxation
        violated = float(np.linalg.norm(np.minimum(reached, 0.0)))
        violated += float(np.linalg.norm(known.rows(reached) / known.sizes[:, None]))
        if self.singles is not None:
            served = diagonals(reached)[:, : known.tasks].sum(axis=0) + self.singles.primal
            violated += float(np.linalg.norm(served - 1.0))
        movement = float(np.linalg.norm(moved)) / (self.weight * self.unit)
        if violated > _IMBALANCE * movement:
            self.weight /= _FACTOR
        elif movement > _IMBALANCE * violated:
            self.weight *= _FACTOR


def _positive_part(matrix: Matrices) -> Matrices:
    """Project onto the positive semidefinite matrices."""
    values, vectors = scipy.linalg.eigh(matrix, driver="evd", check_finite=False)
    leading = vectors[:, values > 0]
    return np.asarray((leading * values[values > 0]) @ leading.T)
