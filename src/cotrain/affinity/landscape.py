"""Sample-wise landscape analysis: how far apart single rows of two tasks would move an untrained network."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, get_args

import numpy as np
import torch

from cotrain import checks
from cotrain.affinity.affinity import Affinity
from cotrain.affinity.landscapes.landscape_sample import Heads, Sampling, has_common_rows, sample_gradients
from cotrain.affinity.landscapes.sample_distances import (
    Distances,
    Matrix,
    RowSketches,
    energy_distances,
    paired_distances,
)
from cotrain.affinity.landscapes.sample_gradients import SampleGradients
from cotrain.affinity.replicates import mean_over_seeds
from cotrain.cost import Cost
from cotrain.problem.problem import Problem
from cotrain.seeding import generator
from cotrain.training.trainer import Trainer

_SHUFFLES = 2


@dataclass(frozen=True)
class SampleWiseLandscape:
    r"""Compare where single rows of two tasks pull an untrained network, without training anything.

    The sample-wise optimum of row :math:`k` for task :math:`i` is one step from the initialisation,
    :math:`\theta^*_{ik} = \theta_0 - \nabla \ell_i(x_k)`. The distance of two tasks is

    .. math:: a_{ij} = \frac{1}{n} \sum_k \|\theta^*_{ik} - \theta^*_{jk}\|_1
                     = \frac{1}{n} \sum_k \|\nabla \ell_i(x_k) - \nabla \ell_j(x_k)\|_1

    over shared parameters, for :math:`\theta_0` and the step cancel. The affinity is its negative. All heads of one
    shape start alike; otherwise a task would be far from itself.

    For two binary tasks on the same inputs this is exactly the share of rows on which their labels disagree, weighted
    by :math:`\|\partial z / \partial \theta\|_1`: a task and its negation are as far apart as can be, and two
    rare tasks that have nothing in common look close. The defaults are the method as published; each correction is an
    option, :meth:`corrected` takes all.

    Tasks without common rows are compared by the energy distance of their rows' gradients,
    :math:`2 E\|g_i - g_j\|_1 - E\|g_i - g_i'\|_1 - E\|g_j - g_j'\|_1`.

    Parameters
    ----------
    initialisations
        Untrained networks to average over; they give the standard errors.
    rows
        Training rows of each task that are looked at, at most.
    heads
        ``"same"``: alike for every task of a shape; ``"fitted"``: each task's own regression on the untrained shared
        layers, which removes the sign and the base rate of a task from its gradients.
    chance
        Return :math:`1 - a_{ij} / \bar a_{ij}` as Cohen's kappa does, with :math:`\bar a` the distance under labels
        that have nothing to do with the rows (for tasks without common rows: twice the mean distance between them).
        One means the same, zero nothing in common, negative the opposite.
    polarity
        Take a binary task for its negation where that is nearer.
    normalise
        Divide each task's gradients by their mean norm, so that the scale of a loss does not matter.
    sketch_dim
        Cauchy coordinates of a gradient; more are more accurate, ``1.6 / sqrt(sketch_dim)`` is the error of one norm.

    Notes
    -----
    The diagonal is zero: a task is no partner of itself.

    Cost: one backward pass per row and output of each head shape (of each task with ``heads="fitted"``), sketched at
    ``2 p sketch_dim`` operations; then ``sketch_dim`` logarithms per pair of tasks and row. Memory per row is
    ``sketch_dim`` numbers, whatever the number of parameters ``p``. Thakur, Huang, Molaei, Wang and Clifton, "Efficient
    Task Grouping Through Sample-wise Optimisation Landscape Analysis", IEEE TPAMI 2025.

    Examples
    --------
    >>> from cotrain.problem.demo import digits
    >>> problem = digits().with_tasks(["is 1", "is 8", "even"])
    >>> affinity = SampleWiseLandscape(initialisations=1, rows=50).estimate(problem, Trainer(problem))
    >>> affinity.unit, bool(affinity.to_frame().loc["is 1", "is 8"] > affinity.to_frame().loc["is 1", "even"])
    ('negative L1 distance', True)
    """

    name: ClassVar[str] = "landscape"
    citation: ClassVar[str] = (
        "@article{thakur2025efficient, title={Efficient Task Grouping Through Sample-wise Optimisation Landscape "
        "Analysis}, author={Thakur, Anshul and Huang, Yichen and Molaei, Soheila and Wang, Yujiang and Clifton, David "
        "A.}, journal={IEEE Transactions on Pattern Analysis and Machine Intelligence}, year={2025}}"
    )

    initialisations: int = 3
    rows: int = 256
    heads: Heads = "same"
    chance: bool = False
    polarity: bool = False
    normalise: bool = False
    sketch_dim: int = 256

    def __post_init__(self) -> None:
        for name, least in (("initialisations", 1), ("rows", 2), ("sketch_dim", 16)):
            checks.at_least(name, getattr(self, name), least)
        checks.one_of("heads", self.heads, get_args(Heads))

    @classmethod
    def corrected(cls, *, initialisations: int = 3, rows: int = 256, sketch_dim: int = 256) -> SampleWiseLandscape:
        """Return the variant with every correction.

        Examples
        --------
        >>> SampleWiseLandscape.corrected().unit
        'agreement beyond chance'
        """
        return cls(
            initialisations=initialisations, rows=rows, sketch_dim=sketch_dim, heads="fitted", chance=True,
            polarity=True, normalise=True,
        )  # fmt: skip

    @property
    def unit(self) -> str:
        """What an entry means."""
        return "agreement beyond chance" if self.chance else "negative L1 distance"

    def estimate(self, problem: Problem, trainer: Trainer, *, seed: int = 0) -> Affinity:
        """Return symmetric affinities at initialisations with seeds ``seed, seed + 1, ...``."""
        start, by_name = time.perf_counter(), problem.with_tasks(problem.subset(problem.names))
        paired = has_common_rows(by_name)
        at = [
            self._at_initialisation(by_name, trainer.device, paired, own)
            for own in range(seed, seed + self.initialisations)
        ]
        once = np.ones((len(by_name.tasks), len(by_name.tasks)), dtype=np.int64)
        aggregate = mean_over_seeds([(matrix, once) for matrix, _ in at])
        cost = Cost(sum(flops for _, flops in at), time.perf_counter() - start)
        warnings = tuple(self._cautions(problem, paired))
        found = Affinity(by_name.names, *aggregate, self.name, self.unit, None, cost, warnings, self.citation)
        return found.with_tasks(problem.names)

    def _at_initialisation(
        self, problem: Problem, device: torch.device, paired: bool, seed: int
    ) -> tuple[Matrix, float]:
        how = Sampling(self.rows, paired, self.heads, self.sketch_dim, seed, device)
        tasks, flops = sample_gradients(problem, how)
        if self.normalise:
            tasks = [task.normalised() for task in tasks]
        affinity = self._compare(tasks, tasks, how)
        if self.polarity:
            negated = self._compare(tasks, [task.opposite() for task in tasks], how)
            binary = np.array([task.kind == "binary" for task in problem.tasks])
            affinity = np.where(np.logical_and.outer(binary, binary), np.maximum(affinity, negated), affinity)
        return affinity, flops

    def _compare(self, tasks: Sequence[SampleGradients], others: Sequence[SampleGradients], how: Sampling) -> Matrix:
        """Return the affinity of each of ``tasks`` with each of ``others``."""
        if not how.paired:
            distances = energy_distances(_sketches(tasks), _sketches(others))
        else:
            found = paired_distances(_sketches(tasks), _sketches(others))
            distances = Distances(found, _by_chance(tasks, others, how.seed) if self.chance else found)
        if not self.chance:
            return -distances.found
        share = np.ones_like(distances.found)
        return 1 - np.divide(distances.found, distances.unrelated, out=share, where=distances.unrelated > 0)

    def _cautions(self, problem: Problem, paired: bool) -> Iterator[str]:
        if not paired:
            yield (
                "Tasks have too few rows in common to be compared row by row: the distances are those between the "
                "distributions of their rows' gradients."
            )
        if self.heads == "same" and len({task.width for task in problem.tasks}) > 1:
            yield (
                "Heads of different shapes cannot start alike: distances between tasks of different shapes hold the "
                "difference of their random heads. Use heads='fitted'."
            )


def _sketches(tasks: Sequence[SampleGradients]) -> list[RowSketches]:
    return [task.sketches() for task in tasks]


def _by_chance(tasks: Sequence[SampleGradients], others: Sequence[SampleGradients], seed: int) -> Matrix:
    """Return the mean distances under labels that are shuffled, each task's in an order of its own."""
    total = np.zeros((len(tasks), len(tasks)))
    for number in range(_SHUFFLES):
        shuffled = (
            [task.shuffled(generator(seed, "labels", number, task.task.name)).sketches() for task in side]
            for side in (tasks, others)
        )
        total += paired_distances(*shuffled)
    return total / _SHUFFLES
