"""A proven bound for many tasks: prices at which no relaxed group of any size is worth much more than it costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from cotrain.grouping.selection.column_generation import lagrange_bound
from cotrain.grouping.selection.group_relaxation import GroupRelaxation, row_bounds
from cotrain.grouping.selection.group_scores import GroupScores
from cotrain.grouping.selection.networks import Floats, Networks, Prices
from cotrain.grouping.selection.price_splitting import Multipliers, PriceSplitting
from cotrain.grouping.selection.terms import Terms

_SIZE_STEPS = 100  # most for one size
_HELPER_SHARE = 4  # one in so many steps of the search for prices looks at helpers too
_CHECK_EVERY = 10


@dataclass(frozen=True, eq=False)
class Scan:
    """Bounds of the sizes that needed a relaxation, where the solver stood there, and the largest of all bounds."""

    largest: float = -np.inf
    bounds: Mapping[int, float] = field(default_factory=dict)
    at: Mapping[int, Multipliers] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class SemidefiniteBound:
    """Lagrangian bound of all groups; rules other than the largest size are left out of it, which keeps it valid.

    First every size is bounded at the prices given, as if all members were served. Where that does not do, prices are
    improved for all open sizes at once. At the best prices every size is bounded again, helpers included.

    Parameters
    ----------
    scores
        Of any group.
    terms
        Rules, limits, charges.
    listed
        Single tasks, linked tasks, all tasks, and networks that exist: their worth is known, and all other groups
        count as new.
    resource
        Prices of the resources beside the count of networks, which has none here.
    steps
        Most steps of the search for prices.
    """

    scores: GroupScores
    terms: Terms
    listed: Networks
    resource: Floats
    steps: int

    def bound(self, price: Floats, goal: float) -> float:
        """Return a bound on the value of any selection from prices ``(tasks,)``; stop looking once it is ``goal``."""
        scan = self._scan(price, goal, {}, helpers=False)
        sizes, at = self._open(scan, price, goal), scan.at
        if sizes:
            price, at, _ = self._improved(price, goal, sizes, at, self.steps, helpers=False)
        else:
            scan = self._scan(price, goal, at, helpers=True)
            sizes, at = self._open(scan, price, goal), scan.at
        if sizes:
            price, at, reached = self._improved(price, goal, sizes, at, self.steps // 2, helpers=True)
            scan = self._scan(price, max(goal, reached), at, helpers=True)
        return self._total(price, scan.largest)

    def _open(self, scan: Scan, price: Floats, goal: float) -> set[int]:
        """Return the sizes whose bound is above the target."""
        return {size for size, bound in scan.bounds.items() if bound > self._target(price, goal)}

    def _scan(self, price: Floats, goal: float, at: Mapping[int, Multipliers], *, helpers: bool) -> Scan:
        """Bound every size, each beginning where the one before ended if nothing better is known."""
        target = self._target(price, goal)
        easy = row_bounds(self.scores.benefit, self._member_price, price)[: self._sizes]
        bounds: dict[int, float] = {}
        reached: dict[int, Multipliers] = {}
        last: Multipliers | None = None
        for size in (np.flatnonzero(easy > target) + 2).tolist():
            relaxation = self._relaxation([size], helpers=helpers)
            begin = at.get(size, last) or Multipliers.nothing(1, relaxation.items)
            solver = PriceSplitting(relaxation, 1.0, price, begin.with_items(relaxation.items))
            bounds[size] = _closed(solver, target)
            last = reached[size] = solver.at
        return Scan(max([*bounds.values(), *easy[easy <= target]], default=-np.inf), bounds, reached)

    def _improved(
        self, price: Floats, goal: float, sizes: set[int], at: Mapping[int, Multipliers], steps: int, *, helpers: bool
    ) -> tuple[Floats, dict[int, Multipliers], float]:
        """Look for prices that bound best, over the open sizes and all below."""
        every = list(range(2, min(max(sizes) + 1, self._sizes + 1) + 1))
        relaxation = self._relaxation(every, helpers=helpers)
        nothing = Multipliers.nothing(1, relaxation.items)
        start = Multipliers.joined([at.get(size, nothing).with_items(relaxation.items) for size in every])
        solver = PriceSplitting(relaxation, self._networks, price, start, alone=self._alone(), least=self._fixed)
        best, best_price, best_at = np.inf, price, start
        while solver.steps < steps and best > goal:
            solver.run(_CHECK_EVERY)
            bound = self._total(solver.price, float(solver.bounds().max()))
            if bound < best:
                best, best_price, best_at = bound, solver.price, solver.at
        return best_price, {size: best_at.of_size(position) for position, size in enumerate(every)}, best

    def _total(self, price: Floats, largest: float) -> float:
        """Return the Lagrangian bound when no new group is worth more than ``largest`` above its tasks' prices."""
        units: Floats = self.terms.rules.units.astype(np.float64) @ price
        prices = Prices(units, self.resource)
        known = float(self.listed.reduced_values(prices).max(initial=-np.inf))
        return lagrange_bound(prices, max(largest - self._fixed, known), self.terms.limits)

    def _target(self, price: Floats, goal: float) -> float:
        """Largest worth above the prices at which the goal is reached."""
        rest = float(price.sum() + self.resource @ self.terms.limits)
        return max((goal - rest) / self._networks, 0.0) + self._fixed

    def _relaxation(self, sizes: list[int], *, helpers: bool) -> GroupRelaxation:
        return GroupRelaxation(self.scores.benefit, self._member_price, np.array(sizes), helpers)

    def _alone(self) -> Floats:
        """Worth of every task alone, in networks that cost what new groups cost; far below the others where barred."""
        nothing = Prices(np.zeros(self.listed.values.shape[1]), self.resource)
        far = -10.0 * (1.0 + float(np.abs(self.scores.benefit).max(initial=0.0)))
        alone = np.full(len(self.terms.tasks), far)
        single = np.flatnonzero((self.listed.members.sum(axis=1) == 1) & np.isfinite(self.listed.values).any(axis=1))
        values = self.listed.values[single].max(axis=1)
        cost = self.listed.charge[single] + self.listed.usage[single] @ nothing.resource
        alone[self.listed.members[single].argmax(axis=1)] = values - cost + self._fixed
        return alone

    @property
    def _sizes(self) -> int:
        """How many sizes there are, from 2 on."""
        return max(min(self.terms.rules.maximum_size, len(self.terms.tasks)) - 1, 0)

    @property
    def _networks(self) -> float:
        return float(min(self.terms.limits[0], len(self.terms.rules.units)))

    @cached_property
    def _member_price(self) -> Floats:
        budget = self.terms.cost_budget
        if budget is None or not budget.is_linear:
            return np.zeros(len(self.terms.tasks))
        return float(self.resource[1]) * budget.coefficients(self.terms.tasks)[1]

    @cached_property
    def _fixed(self) -> float:
        """What every new group costs."""
        fixed = self.terms.charge + self.terms.new_charge
        budget = self.terms.cost_budget
        if budget is not None and budget.is_linear:
            fixed += float(self.resource[1]) * budget.coefficients(self.terms.tasks)[0]
        return fixed + (float(self.resource[-1]) if self.terms.new_networks is not None else 0.0)


def _closed(solver: PriceSplitting, target: float) -> float:
    """Run until the bound is at most ``target``, or for some steps; return the best bound."""
    best = float(solver.bounds()[0])
    while best > target and solver.steps < _SIZE_STEPS:
        solver.run(_CHECK_EVERY)
        best = min(best, float(solver.bounds()[0]))
    return best
