"""The gradients room: rows and tasks of a base model, linearised in few coordinates."""

from cotrain.gradients.base_store import BaseStore
from cotrain.gradients.bases import Basis, Fidelity
from cotrain.gradients.choose_basis import make_basis
from cotrain.gradients.collect import collect, stream
from cotrain.gradients.collect_into import collect_into
from cotrain.gradients.diagnosis import Diagnosis
from cotrain.gradients.doctor import examine
from cotrain.gradients.manifest import StoreSpec
from cotrain.gradients.margins import margins
from cotrain.gradients.parameters import parameter_shapes
from cotrain.gradients.store import GradientStore
from cotrain.gradients.task_gradients import LinearLoss, TaskGradients

__all__ = [
    "BaseStore",
    "Basis",
    "Diagnosis",
    "Fidelity",
    "GradientStore",
    "LinearLoss",
    "StoreSpec",
    "TaskGradients",
    "collect",
    "collect_into",
    "examine",
    "make_basis",
    "margins",
    "parameter_shapes",
    "stream",
]
