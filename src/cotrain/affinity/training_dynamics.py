"""Training dynamics: whether two tasks find the same rows easy, hard and fickle while a network learns them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias, get_args

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from numpy.typing import NDArray
from torch import Tensor

from cotrain import checks
from cotrain.affinity.affinity import Affinity
from cotrain.affinity.watched.watching import Watcher, watch
from cotrain.cost import measure
from cotrain.problem.losses import row_losses, split_outputs
from cotrain.problem.problem import Problem
from cotrain.problem.task import Task
from cotrain.seeding import generator
from cotrain.training.evaluation import predict
from cotrain.training.run import Run
from cotrain.training.subset_data import SubsetData
from cotrain.training.trainer import Trainer

Comparison: TypeAlias = Literal["correlation", "distance"]


@dataclass(frozen=True)
class TrainingDynamics:
    r"""Compare the data maps of tasks: each row's mean confidence over the epochs of a training, and its variability.

    The confidence in a row is the likelihood of its label, :math:`c = e^{-\ell}`: for classification the probability
    of the true class. Over epochs :math:`e` of a training on all tasks

    .. math:: \mu_i(s) = \frac{1}{E} \sum_e c_{ie}(s), \qquad
              \sigma_i(s) = \Big( \frac{1}{E} \sum_e (c_{ie}(s) - \mu_i(s))^2 \Big)^{1/2}

    make up the map of task :math:`i`. Tasks are alike when their maps are. Where a row has no label of a task, the
    network's last prediction stands for it: so tasks with data of their own have maps over the same rows.

    This says which tasks resemble one another to the network, not which of them helps.

    Parameters
    ----------
    compare
        ``"correlation"``: of means and of variabilities over rows, averaged; it does not care how hard a task is as a
        whole. ``"distance"``: minus the root mean square difference of the maps, as in the paper, whose fuzzy k-means
        clusters tasks by it.
    rows
        Training rows of a map, at most.
    seeds
        Trainings on all tasks to average over; they give the standard errors.

    Notes
    -----
    The diagonal is zero: a task is no partner of itself.

    Cost: one training per seed and a forward pass over the rows of the maps after each epoch. Sherif et al., "STG-MTL:
    Scalable Task Grouping for Multi-Task Learning Using Data Map", 2023.

    Examples
    --------
    >>> from cotrain.problem.demo import digits
    >>> problem = digits().with_tasks(["even", "prime", "loop"])
    >>> TrainingDynamics(seeds=1, rows=100).estimate(problem, Trainer(problem)).unit
    'correlation'
    """

    name: ClassVar[str] = "dynamics"
    citation: ClassVar[str] = (
        "@article{sherif2023stg, title={STG-MTL: Scalable Task Grouping for Multi-Task Learning Using Data Map}, "
        "author={Sherif, Ammar and others}, journal={arXiv:2307.03374}, year={2023}}"
    )

    compare: Comparison = "correlation"
    rows: int = 2000
    seeds: int = 3

    def __post_init__(self) -> None:
        checks.one_of("compare", self.compare, get_args(Comparison))
        checks.at_least("rows", self.rows, 2)
        checks.at_least("seeds", self.seeds, 1)

    def estimate(self, problem: Problem, trainer: Trainer, *, seed: int = 0) -> Affinity:
        """Return similarities of maps, from trainings on all tasks with seeds ``seed, seed + 1, ...``."""
        maps = [_Maps(self.compare, self.rows) for _ in range(self.seeds)]
        return watch(self, problem, trainer, maps, seed=seed, unit=self.compare)


class _Maps(Watcher):
    """Keeps the predictions for some rows after every epoch."""

    def __init__(self, compare: Comparison, rows: int) -> None:
        super().__init__()
        self._compare, self._most = compare, rows
        self._predictions: list[Tensor] = []

    def before_training(self, run: Run, data: SubsetData) -> None:
        order = torch.randperm(len(data.train), generator=generator(run.seed, "data maps"))
        chosen = order[: self._most].sort().values
        self._tasks, self._rows = data.tasks, data.train.take(chosen.to(data.label_weights.device))

    def after_epoch(self, run: Run) -> None:
        with measure() as meter:
            outputs = predict(run.network, self._tasks, self._rows)
        flat = [outputs[task.name].reshape(len(self._rows), task.width) for task in self._tasks]
        self._predictions.append(torch.cat(flat, dim=1))
        self.cost += meter.cost

    def affinity(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        targets = _filled(self._tasks, self._predictions[-1], self._rows.targets)
        confidence = torch.stack([torch.exp(-row_losses(self._tasks, each, targets)) for each in self._predictions])
        parts = confidence.double().mean(dim=0).T, confidence.double().std(dim=0, correction=0).T
        found = _correlation(*parts) if self._compare == "correlation" else -_distance(*parts)
        return found.cpu().numpy(), np.full(found.shape, len(self._rows))


def _filled(tasks: Sequence[Task], outputs: Tensor, targets: Tensor) -> Tensor:
    """Return targets with predictions in the place of missing labels."""
    predicted = [_predicted(task, own) for task, own in zip(tasks, split_outputs(tasks, outputs).values(), strict=True)]
    return torch.where(torch.isnan(targets), torch.stack(predicted, dim=1), targets)


def _predicted(task: Task, output: Tensor) -> Tensor:
    if task.kind == "multiclass":
        return output.argmax(dim=1).to(output.dtype)
    value = output[:, 0]
    return value if task.kind == "regression" else (value > 0).to(value.dtype)


def _correlation(mean: Tensor, variability: Tensor) -> Tensor:
    """Return correlations over rows, of means and variabilities averaged; what is constant correlates with nothing."""
    means, spreads = (F.normalize(part - part.mean(dim=1, keepdim=True)) for part in (mean, variability))
    return (means @ means.T + spreads @ spreads.T) / 2


def _distance(mean: Tensor, variability: Tensor) -> Tensor:
    """Return root mean square differences of maps."""
    maps = torch.cat([mean, variability], dim=1)
    return torch.stack([(maps - own).square().mean(dim=1).sqrt() for own in maps])
