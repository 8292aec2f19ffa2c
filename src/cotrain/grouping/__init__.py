"""The grouping room: groupers, the budgets and constraints they keep, and their one result."""

from cotrain.grouping.grouping import Grouping
from cotrain.grouping.network_selection import NetworkSelection
from cotrain.grouping.selection.budget import CostBudget, LinearCost
from cotrain.grouping.selection.candidate_networks import CandidateNetworks
from cotrain.grouping.selection.constraints import Constraints

__all__ = [
    "CandidateNetworks",
    "Constraints",
    "CostBudget",
    "Grouping",
    "LinearCost",
    "NetworkSelection",
]
