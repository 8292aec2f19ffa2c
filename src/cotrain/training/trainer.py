"""Trains a network for any subset of a problem's tasks, and judges it on any split."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cotrain.problem.problem import Problem, Split
from cotrain.problem.task import Subset
from cotrain.training.fit import Fit


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Losses and metrics ``(tasks of the subset,)`` of one network on one split."""

    subset: Subset
    loss: NDArray[np.float64]
    metric: NDArray[np.float64]


class Trainer:
    """Trains subsets of one problem.

    Parameters
    ----------
    problem
        What is learned.
    device
        Where networks train; the CPU by default.
    """

    def __init__(self, problem: Problem, *, device: torch.device | str = "cpu") -> None:
        self.problem = problem
        self.device = torch.device(device)

    def fit(self, subset: Subset, *, seed: int = 0) -> Fit:
        """Train one network on ``subset``; the same seed gives the same network."""
        raise NotImplementedError

    def evaluate(self, fit: Fit, split: Split) -> Evaluation:
        """Return mean losses and metrics of each task over its observed rows of ``split``."""
        raise NotImplementedError
