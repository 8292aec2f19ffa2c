"""The grouping room: groupers, the budgets and constraints they keep, and their one result."""

from cotrain.grouping.affinity_propagation import AffinityPropagation
from cotrain.grouping.average_density import AverageDensity
from cotrain.grouping.base import Grouper
from cotrain.grouping.co_clustering import SpectralCoClustering
from cotrain.grouping.diagnosis import Diagnosis, Placement
from cotrain.grouping.diagnostics import diagnose
from cotrain.grouping.grouping import Grouping
from cotrain.grouping.hierarchical import Hierarchical
from cotrain.grouping.incremental import Regrouping, regroup
from cotrain.grouping.measured_search import MeasuredSearch
from cotrain.grouping.mixture import Mixture
from cotrain.grouping.network_selection import NetworkSelection
from cotrain.grouping.overlapping_density import OverlappingDensity
from cotrain.grouping.random_groups import RandomGroups
from cotrain.grouping.registry import GROUPERS
from cotrain.grouping.selection.budget import CostBudget, LinearCost
from cotrain.grouping.selection.candidate_networks import CandidateNetworks
from cotrain.grouping.selection.constraints import Constraints
from cotrain.grouping.semisoft import Semisoft
from cotrain.grouping.spectral import Spectral

__all__ = [
    "GROUPERS",
    "AffinityPropagation",
    "AverageDensity",
    "CandidateNetworks",
    "Constraints",
    "CostBudget",
    "Diagnosis",
    "Grouper",
    "Grouping",
    "Hierarchical",
    "LinearCost",
    "MeasuredSearch",
    "Mixture",
    "NetworkSelection",
    "OverlappingDensity",
    "Placement",
    "RandomGroups",
    "Regrouping",
    "Semisoft",
    "Spectral",
    "SpectralCoClustering",
    "diagnose",
    "regroup",
]
