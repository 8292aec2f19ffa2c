"""Estimators by name."""

from __future__ import annotations

from cotrain.affinity.base import Estimator
from cotrain.affinity.calibrated import Calibrated
from cotrain.affinity.cosine import GradientCosine
from cotrain.affinity.divergence import DataDivergence
from cotrain.affinity.dmtg import DMTG
from cotrain.affinity.grad_tag import GradTAG
from cotrain.affinity.influence import Influence
from cotrain.affinity.landscape import SampleWiseLandscape
from cotrain.affinity.measured_pairs import MeasuredPairs
from cotrain.affinity.measured_subsets import MeasuredSubsets
from cotrain.affinity.successive_halving import SuccessiveHalving
from cotrain.affinity.tag import TAG
from cotrain.affinity.task_vectors import TaskVectors
from cotrain.affinity.training_dynamics import TrainingDynamics

_LISTED: tuple[type[Estimator], ...] = (
    Calibrated,
    MeasuredSubsets,
    MeasuredPairs,
    SuccessiveHalving,
    GradTAG,
    TAG,
    GradientCosine,
    TrainingDynamics,
    DMTG,
    Influence,
    TaskVectors,
    SampleWiseLandscape,
    DataDivergence,
)
ESTIMATORS: dict[str, type[Estimator]] = {estimator.name: estimator for estimator in _LISTED}
"""What ``cotrain.estimate(method=...)`` accepts."""
