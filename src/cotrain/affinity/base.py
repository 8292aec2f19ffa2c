"""What every estimator promises."""

from __future__ import annotations

from typing import ClassVar, Protocol

from cotrain.affinity.affinity import Affinity
from cotrain.problem.problem import Problem
from cotrain.training.trainer import Trainer


class Estimator(Protocol):
    """Estimates affinities. Small, immutable and comparable: parameters in the constructor, nothing computed there."""

    name: ClassVar[str]
    citation: ClassVar[str]

    def estimate(self, problem: Problem, trainer: Trainer, *, seed: int = 0) -> Affinity:
        """Return affinities among the problem's tasks, using training and validation rows only.

        Parameters
        ----------
        problem
            What is learned.
        trainer
            Trains (or recalls) the networks that the estimate needs.
        seed
            Of everything random in the estimate.
        """
        ...
