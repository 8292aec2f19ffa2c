"""What may be deployed: a total cost, and what one network costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from cotrain import checks
from cotrain.errors import InputError
from cotrain.grouping.selection.networks import Bools, Floats
from cotrain.problem.task import Subset


@dataclass(frozen=True)
class LinearCost:
    """Cost of a network with a shared trunk and one head per task: ``trunk + sum of heads``.

    Parameters
    ----------
    trunk
        Cost of the shared part: parameters, FLOPs, milliseconds.
    heads
        Cost of each task's own part; one number for all, or a number per task.

    Examples
    --------
    >>> LinearCost(trunk=1.0, heads=0.1)(("a", "b"))
    1.2
    """

    trunk: float
    heads: float | Mapping[str, float] = 0.0

    def __call__(self, group: Subset) -> float:
        """Return the cost of one network that holds ``group``."""
        return self.trunk + sum(self.head(task) for task in group)

    def head(self, task: str) -> float:
        """Return the cost of one task's head."""
        return self.heads[task] if isinstance(self.heads, Mapping) else self.heads


GroupCost: TypeAlias = LinearCost | Callable[[Subset], float] | Mapping[Subset, float]


@dataclass(frozen=True)
class CostBudget:
    """Largest total cost of the chosen networks.

    Parameters
    ----------
    total
        Most that all networks may cost together.
    cost
        Cost of one network by the sorted names of its tasks: a :class:`LinearCost` (by default 1 for every network),
        any function, or a mapping (groups that it does not name cannot be chosen). Candidate networks that carry
        their own costs keep them.

    Examples
    --------
    >>> CostBudget(10.0, LinearCost(trunk=2.3, heads=0.1)).total
    10.0
    """

    total: float
    cost: GroupCost = LinearCost(trunk=1.0)

    def __post_init__(self) -> None:
        checks.at_least("total", self.total, 0)

    def costs(self, tasks: Sequence[str], members: Bools) -> Floats:
        """Return the cost of every group ``(groups, tasks)``; infinite where the mapping does not name it."""
        if self.is_linear:
            trunk, heads = self.coefficients(tasks)
            found: Floats = trunk + members.astype(np.float64) @ heads
        else:
            price = self._lookup(self.cost) if isinstance(self.cost, Mapping) else self.cost
            names = np.array(tasks, dtype=object)
            found = np.array([price(tuple(sorted(names[row]))) for row in members], dtype=np.float64)
        if not (found >= 0).all():
            raise InputError(f"`cost` must be at least 0 for every network. Found {float(np.nanmin(found))}.")
        return found

    @property
    def is_linear(self) -> bool:
        """Whether the cost of a group is that of a trunk plus one head per task."""
        return isinstance(self.cost, LinearCost)

    def coefficients(self, tasks: Sequence[str]) -> tuple[float, Floats]:
        """Return trunk and heads ``(tasks,)`` of a linear cost."""
        if not isinstance(self.cost, LinearCost):
            raise TypeError("only a LinearCost has coefficients")
        return self.cost.trunk, np.array([self.cost.head(task) for task in tasks], dtype=np.float64)

    def named_groups(self, tasks: Sequence[str], *, otherwise: Bools | None) -> Bools | None:
        """Return the groups that a mapping names ``(groups, tasks)``; ``otherwise`` when any group has a cost."""
        if not isinstance(self.cost, Mapping):
            return otherwise
        return np.array([[task in group for task in tasks] for group in self.cost], dtype=bool).reshape(-1, len(tasks))

    @staticmethod
    def _lookup(table: Mapping[Subset, float]) -> Callable[[Subset], float]:
        by_group = {tuple(sorted(group)): cost for group, cost in table.items()}
        return lambda group: by_group.get(group, np.inf)
