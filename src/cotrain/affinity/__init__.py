"""Who helps whom: estimators, the table of subset losses they fill, and the affinity it adds up to."""

from cotrain.affinity.affinity import Affinity
from cotrain.affinity.base import Estimator
from cotrain.affinity.calibrated import Calibrated
from cotrain.affinity.cosine import GradientCosine
from cotrain.affinity.divergence import DataDivergence
from cotrain.affinity.dmtg import DMTG
from cotrain.affinity.given import Given
from cotrain.affinity.grad_tag import GradTAG
from cotrain.affinity.influence import Influence
from cotrain.affinity.landscape import SampleWiseLandscape
from cotrain.affinity.measured_pairs import MeasuredPairs
from cotrain.affinity.measured_subsets import MeasuredSubsets
from cotrain.affinity.registry import ESTIMATORS
from cotrain.affinity.subset_losses import Source, SubsetLosses
from cotrain.affinity.successive_halving import SuccessiveHalving
from cotrain.affinity.tag import TAG
from cotrain.affinity.task_vectors import TaskVectors, compare_checkpoints
from cotrain.affinity.training_dynamics import TrainingDynamics

__all__ = [
    "DMTG",
    "ESTIMATORS",
    "TAG",
    "Affinity",
    "Calibrated",
    "DataDivergence",
    "Estimator",
    "Given",
    "GradTAG",
    "GradientCosine",
    "Influence",
    "MeasuredPairs",
    "MeasuredSubsets",
    "SampleWiseLandscape",
    "Source",
    "SubsetLosses",
    "SuccessiveHalving",
    "TaskVectors",
    "TrainingDynamics",
    "compare_checkpoints",
]
