"""The result of training one network on one subset of tasks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from cotrain.cost import Cost
from cotrain.problem.task import Subset


@dataclass(frozen=True, eq=False)
class Fit:
    """One trained network.

    Parameters
    ----------
    subset
        The tasks it was trained on.
    seed
        Seed of its weights, batches and dropout.
    network
        The network at its best validation loss, in eval mode.
    validation_loss
        ``(tasks of the subset,)``: mean loss of each task over its observed validation rows.
    curve
        ``(epochs,)``: mean over tasks of the validation loss after each epoch.
    steps
        Optimizer steps taken.
    converged
        Whether patience ended training before the last epoch did.
    cost
        FLOPs and seconds.
    """

    subset: Subset
    seed: int
    network: nn.Module
    validation_loss: NDArray[np.float64]
    curve: NDArray[np.float64]
    steps: int
    converged: bool
    cost: Cost
