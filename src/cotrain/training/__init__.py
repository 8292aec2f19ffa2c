"""Training: one network for any subset of tasks, or many small ones at once; kept, resumed and judged."""

from cotrain.training.callbacks import Callback, Step
from cotrain.training.evaluation import Evaluation, evaluate
from cotrain.training.fit import Fit
from cotrain.training.progress import Progress
from cotrain.training.trainer import Trainer

__all__ = ["Callback", "Evaluation", "Fit", "Progress", "Step", "Trainer", "evaluate"]
