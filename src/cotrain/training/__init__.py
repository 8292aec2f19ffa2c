"""Training: one network for any subset of tasks, or many small ones at once; kept, resumed and judged."""

from cotrain.training.callbacks import Callback, Step
from cotrain.training.evaluation import Evaluation, evaluate
from cotrain.training.fit import Fit
from cotrain.training.progress import Progress
from cotrain.training.serving import Service
from cotrain.training.trainer import Trainer
from cotrain.training.writers import MLflowWriter, TensorBoardWriter

__all__ = [
    "Callback",
    "Evaluation",
    "Fit",
    "MLflowWriter",
    "Progress",
    "Service",
    "Step",
    "TensorBoardWriter",
    "Trainer",
    "evaluate",
]
