"""Who helps whom: estimators, the table of subset losses they fill, and the affinity it adds up to."""

from cotrain.affinity.affinity import Affinity
from cotrain.affinity.base import Estimator
from cotrain.affinity.grad_tag import GradTAG
from cotrain.affinity.registry import ESTIMATORS
from cotrain.affinity.subset_losses import Source, SubsetLosses

__all__ = ["ESTIMATORS", "Affinity", "Estimator", "GradTAG", "Source", "SubsetLosses"]
