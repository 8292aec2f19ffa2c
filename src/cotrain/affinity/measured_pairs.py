"""Every pair of tasks is really trained; larger groups are taken as means of their pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cotrain import checks
from cotrain.affinity import cautions
from cotrain.affinity.affinity import Affinity
from cotrain.affinity.aggregation import co_occurrence_mean
from cotrain.affinity.calibration.measuring import Measurements
from cotrain.affinity.design import all_pairs, singles_and_all
from cotrain.affinity.subset_losses import SubsetLosses
from cotrain.problem.problem import Problem
from cotrain.training.trainer import Trainer


@dataclass(frozen=True)
class MeasuredPairs:
    r"""Train every task alone and every pair; the gain in a larger group is the mean over its pairs.

    .. math:: A_{ij} = 1 - L_i(\{i, j\}) / L_i(\{i\})

    The strongest claim of pairs: nothing is estimated but that partners' effects average. Where size itself matters (a
    network too small for many tasks) pairs cannot know it.

    Parameters
    ----------
    seeds
        Networks per subset; two or more give standard errors.

    Notes
    -----
    Cost: ``seeds * tasks * (tasks + 1) / 2`` trainings, small ones many at once. Standley et al., "Which Tasks Should
    Be Learned Together in Multi-task Learning?", ICML 2020.

    Examples
    --------
    >>> MeasuredPairs().seeds
    1
    """

    name: ClassVar[str] = "measured-pairs"
    citation: ClassVar[str] = (
        "@inproceedings{standley2020which, title={Which Tasks Should Be Learned Together in Multi-task Learning?}, "
        "author={Standley, Trevor and Zamir, Amir and Chen, Dawn and Guibas, Leonidas and Malik, Jitendra and "
        "Savarese, Silvio}, booktitle={ICML}, year={2020}}"
    )

    seeds: int = 1

    def __post_init__(self) -> None:
        checks.at_least("seeds", self.seeds, 1)

    def estimate(self, problem: Problem, trainer: Trainer, *, seed: int = 0) -> Affinity:
        """Return the measured gains of pairs, with the losses behind them."""
        tasks = len(problem.names)
        mask = np.concatenate([singles_and_all(tasks)[:tasks], all_pairs(tasks)])
        seeds = np.repeat(np.arange(seed, seed + self.seeds), len(mask))
        measured = Measurements(trainer, problem.names)
        measured.train(np.tile(mask, (self.seeds, 1)), seeds)
        found = measured.table.loss.reshape(self.seeds, *mask.shape)
        losses, cost = SubsetLosses.from_seeds(problem.names, mask, found), measured.cost
        aggregate = co_occurrence_mean(losses, pairs_only=True)
        warnings = tuple(cautions.about_gains(aggregate))
        return Affinity(problem.names, *aggregate, self.name, "gain", losses, cost, warnings, self.citation)
