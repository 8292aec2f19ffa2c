"""Everything about a choice of networks except the scores: rules, limits, charges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cotrain.grouping.selection.budget import CostBudget
from cotrain.grouping.selection.constraints import Rules
from cotrain.grouping.selection.networks import Bools, Floats, Networks


@dataclass(frozen=True, eq=False)
class Terms:
    """What may be chosen and what choosing it costs.

    Parameters
    ----------
    tasks
        Names, in column order.
    rules
        What a group may look like.
    networks
        Most networks.
    cost_budget
        Largest total cost.
    charge
        Taken off the objective for every network.
    current
        ``(groups, tasks)``: networks that exist already.
    new_charge
        Taken off the objective for every network that does not exist yet.
    new_networks
        Most networks that do not exist yet.
    """

    tasks: tuple[str, ...]
    rules: Rules
    networks: int
    cost_budget: CostBudget | None
    charge: float
    current: Bools
    new_charge: float
    new_networks: int | None

    @property
    def limits(self) -> Floats:
        """Most of each resource: networks, then cost, then new networks, where limited."""
        cost = [] if self.cost_budget is None else [self.cost_budget.total * (1 + 1e-9)]
        new = [] if self.new_networks is None else [self.new_networks]
        return np.array([self.networks, *cost, *new], dtype=np.float64)

    def evaluate(self, members: Bools, scores: Floats, costs: Floats | None = None) -> Networks:
        """Return the networks among ``members`` that the rules and the budget allow."""
        keep = self.rules.allowed(members)
        kept_costs = None if costs is None else costs[keep]
        networks = self.price_list(members[keep], scores[keep], kept_costs)
        useful = (networks.usage <= self.limits).all(axis=1) & np.isfinite(networks.values).any(axis=1)
        return networks.take(np.flatnonzero(useful))

    def price_list(self, members: Bools, scores: Floats, costs: Floats | None = None) -> Networks:
        """Return every network of ``members``, allowed or not, with its values, charge and usage."""
        columns = [np.ones(len(members))]
        if self.cost_budget is not None:
            columns.append(self.cost_budget.costs(self.tasks, members) if costs is None else costs)
        new = self._is_new(members)
        if self.new_networks is not None:
            columns.append(new)
        values = self.rules.unit_values(members, scores)
        return Networks(members, values, self.charge + self.new_charge * new, np.column_stack(columns))

    def _is_new(self, members: Bools) -> Floats:
        new = np.ones(len(members))
        for group in self.current:
            new[(members == group).all(axis=1)] = 0.0
        return new
