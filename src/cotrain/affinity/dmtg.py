"""DMTG as an estimator: how surely a differentiable search puts two tasks into one group."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from cotrain import checks
from cotrain.affinity import cautions
from cotrain.affinity.affinity import Affinity
from cotrain.affinity.replicates import mean_over_seeds
from cotrain.cost import Cost
from cotrain.problem.problem import Problem
from cotrain.training.one_shot.dmtg import CITATION, DifferentiableGrouping
from cotrain.training.one_shot.search import SearchOptions
from cotrain.training.trainer import Trainer


@dataclass(frozen=True)
class DMTG:
    r"""Let tasks choose between branches while these train, and ask which tasks end up together.

    With :math:`p_{ik}` the probability that a search of
    :class:`~cotrain.training.one_shot.dmtg.DifferentiableGrouping` leaves for task i in branch k of K, the affinity is
    the probability of sharing a branch beyond chance, averaged over searches:

    .. math:: A_{ij} = \sum_k p_{ik} p_{jk} - 1 / K

    One search names its groups itself; several are only comparable by who is with whom, which any grouper then reads.

    Parameters
    ----------
    networks
        Branches K, as many as there shall be groups; no more than tasks.
    seeds
        Searches to average over; they give the standard errors.
    search
        How each of them goes.

    Notes
    -----
    Cost: one search per seed, each up to K trainings on all tasks. Gao et al. (ICML 2024), arXiv 2407.05082.

    Examples
    --------
    >>> from cotrain.problem.demo import digits
    >>> problem = digits().with_tasks(["even", "prime", "loop"])
    >>> DMTG(networks=2, seeds=1, search=SearchOptions(epochs=2, warmup=1)).estimate(problem, Trainer(problem)).unit
    'probability beyond chance'
    """

    name: ClassVar[str] = "dmtg"
    citation: ClassVar[str] = CITATION

    networks: int = 3
    seeds: int = 3
    search: SearchOptions = field(default_factory=SearchOptions)

    def __post_init__(self) -> None:
        checks.at_least("networks", self.networks, 1)
        checks.at_least("seeds", self.seeds, 1)

    def estimate(self, problem: Problem, trainer: Trainer, *, seed: int = 0) -> Affinity:
        """Return what searches with seeds ``seed, seed + 1, ...`` say."""
        subset = problem.subset(problem.names)
        method = DifferentiableGrouping(min(self.networks, len(subset)), search=self.search)
        searches = [method.find(trainer, subset, seed=seed + number) for number in range(self.seeds)]
        aggregate = mean_over_seeds([_together(found.probabilities()) for found in searches])
        cost = sum((Cost(found.flops, found.seconds, trainings=1) for found in searches), Cost())
        warnings = tuple(cautions.about_data(problem))
        found = Affinity(
            subset, *aggregate, self.name, "probability beyond chance", None, cost, warnings, self.citation
        )
        return found.with_tasks(problem.names)


def _together(probabilities: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return how much likelier than by chance two tasks share a branch, and one look at every pair."""
    together = probabilities @ probabilities.T - 1 / probabilities.shape[1]
    return together, np.ones(together.shape, dtype=np.int64)
