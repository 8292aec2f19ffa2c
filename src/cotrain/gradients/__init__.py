"""The gradients room: rows and tasks of a base model, linearised in few coordinates."""

from cotrain.gradients.bases import Basis
from cotrain.gradients.choose_basis import make_basis
from cotrain.gradients.collect import collect, stream
from cotrain.gradients.margins import margins
from cotrain.gradients.parameters import parameter_shapes
from cotrain.gradients.task_gradients import LinearLoss, TaskGradients

__all__ = [
    "Basis",
    "LinearLoss",
    "TaskGradients",
    "collect",
    "make_basis",
    "margins",
    "parameter_shapes",
    "stream",
]
