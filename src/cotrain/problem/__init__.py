"""What is learned: tasks, their data, and how to build and train a network for any subset of them."""

from cotrain.problem.encoding import Encoder, Standardiser
from cotrain.problem.losses import Outputs, margin_of_loss, output_columns, row_losses, split_outputs
from cotrain.problem.metrics import LOWER_IS_BETTER, task_metric
from cotrain.problem.options import NetworkOptions, TrainingOptions
from cotrain.problem.problem import SPLITS, NetworkFactory, Problem, Split
from cotrain.problem.readers.options import ReaderOptions
from cotrain.problem.rows import Inputs, Rows
from cotrain.problem.table_encoder import TableEncoder
from cotrain.problem.task import KINDS, METRICS, Kind, RowLoss, Subset, Task

__all__ = [
    "KINDS",
    "LOWER_IS_BETTER",
    "METRICS",
    "SPLITS",
    "Encoder",
    "Inputs",
    "Kind",
    "NetworkFactory",
    "NetworkOptions",
    "Outputs",
    "Problem",
    "ReaderOptions",
    "RowLoss",
    "Rows",
    "Split",
    "Standardiser",
    "Subset",
    "TableEncoder",
    "Task",
    "TrainingOptions",
    "margin_of_loss",
    "output_columns",
    "row_losses",
    "split_outputs",
    "task_metric",
]
