"""Gradient cosine similarity: whether tasks pull the shared parameters in the same direction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from numpy.typing import NDArray

from cotrain import checks
from cotrain.affinity.affinity import Affinity
from cotrain.affinity.shared_parameters import shared_parameters
from cotrain.affinity.watched.watching import Watcher, watch
from cotrain.cost import measure
from cotrain.gradients.parameters import parameter_shapes
from cotrain.gradients.pulls import task_pulls
from cotrain.problem.problem import Problem
from cotrain.training.run import Run
from cotrain.training.subset_data import SubsetData
from cotrain.training.trainer import Trainer


@dataclass(frozen=True)
class GradientCosine:
    r"""Compare the directions in which tasks pull the shared parameters, at several points of one training.

    .. math:: A_{ij} = \frac{1}{P} \sum_{p=1}^P
              \frac{\nabla L_i(\theta_p) \cdot \nabla L_j(\theta_p)}{\|\nabla L_i(\theta_p)\| \|\nabla L_j(\theta_p)\|}

    with the gradient of each task's mean loss over its training rows, of shared parameters only: heads never meet. The
    points are after 1, 2, 4, 8, ... epochs, up to the best one. Most of them are early on purpose: where the network
    has converged the tasks' gradients sum to zero, so that even the best of partners point apart.

    Directions are compared and lengths are not; which task gains how much is out of sight.

    Parameters
    ----------
    seeds
        Trainings on all tasks to average over; they give the standard errors.

    Notes
    -----
    The diagonal is zero: a task is no partner of itself.

    Cost: one training per seed; at every point a pass over the training rows and a backward pass per task (beyond
    200,000 pairs of a row and a task an even share of the rows). Du, Czarnecki, Jayakumar, Farajtabar, Pascanu and
    Lakshminarayanan, "Adapting Auxiliary Losses Using Gradient Similarity", 2018; as an affinity in Fifty et al.,
    NeurIPS 2021.

    Examples
    --------
    >>> from cotrain.problem.demo import digits
    >>> problem = digits().with_tasks(["even", "prime", "loop"])
    >>> affinity = GradientCosine(seeds=1).estimate(problem, Trainer(problem))
    >>> affinity.unit, bool(abs(affinity.matrix).max() <= 1)
    ('cosine', True)
    """

    name: ClassVar[str] = "cosine"
    citation: ClassVar[str] = (
        "@article{du2018adapting, title={Adapting Auxiliary Losses Using Gradient Similarity}, author={Du, Yunshu and "
        "Czarnecki, Wojciech M. and Jayakumar, Siddhant M. and Farajtabar, Mehrdad and Pascanu, Razvan and "
        "Lakshminarayanan, Balaji}, journal={arXiv:1812.02224}, year={2018}}"
    )

    seeds: int = 3

    def __post_init__(self) -> None:
        checks.at_least("seeds", self.seeds, 1)

    def estimate(self, problem: Problem, trainer: Trainer, *, seed: int = 0) -> Affinity:
        """Return cosines, from trainings on all tasks with seeds ``seed, seed + 1, ...``."""
        shared = shared_parameters(problem)
        found = [_Cosines(shared) for _ in range(self.seeds)]
        return watch(self, problem, trainer, found, seed=seed, unit="cosine")


class _Cosines(Watcher):
    """Takes the cosines of the tasks' gradients after epochs whose number is a power of two."""

    def __init__(self, shared: tuple[str, ...]) -> None:
        super().__init__()
        self._shared = shared
        self._points: list[NDArray[np.float64]] = []
        self._kept = 0

    def before_training(self, run: Run, data: SubsetData) -> None:
        self._data, self._shapes = data, parameter_shapes(run.network, self._shared)

    def after_epoch(self, run: Run) -> None:
        if len(run.history).bit_count() == 1:
            with measure() as meter:
                pulls = task_pulls(run.network, self._data.tasks, self._data.train, self._shapes)
                flat = torch.cat([part.flatten(1) for part in pulls.values()], dim=1).double()
                directions = F.normalize(flat)
            self._points.append((directions @ directions.T).cpu().numpy())
            self.cost += meter.cost
        if run.history.best == len(run.history) - 1:
            self._kept = len(self._points)

    def affinity(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        mean: NDArray[np.float64] = np.mean(self._points[: self._kept], axis=0)
        return mean, np.full(mean.shape, self._kept)
