"""Affinities read off trainings on all tasks while they go on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cotrain.affinity import cautions
from cotrain.affinity.affinity import Affinity
from cotrain.affinity.base import Estimator
from cotrain.affinity.replicates import mean_over_seeds
from cotrain.cost import Cost
from cotrain.problem.problem import Problem
from cotrain.training.callbacks import Callback
from cotrain.training.trainer import Trainer


class Watcher(Callback):
    """Looks at one training on all tasks and leaves it as it is.

    Attributes
    ----------
    cost
        What looking has cost, training aside.
    """

    def __init__(self) -> None:
        self.cost = Cost()

    def affinity(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return what was seen ``(tasks, tasks)``, NaN where nothing was, and the number of looks at each entry."""
        raise NotImplementedError


def watch(
    estimator: Estimator, problem: Problem, trainer: Trainer, watchers: Sequence[Watcher], *, seed: int, unit: str
) -> Affinity:
    """Train on all tasks with seeds ``seed, seed + 1, ...``, one per watcher, and average what they see."""
    subset = problem.subset(problem.names)
    fits = [trainer.fit(subset, seed=seed + number, callbacks=[each]) for number, each in enumerate(watchers)]
    aggregate = mean_over_seeds([each.affinity() for each in watchers])
    cost = sum([fit.cost for fit in fits] + [each.cost for each in watchers], Cost())
    warnings = (*cautions.about_data(problem), *cautions.about_trainings(fits))
    found = Affinity(subset, *aggregate, estimator.name, unit, None, cost, warnings, estimator.citation)
    return found.with_tasks(problem.names)
