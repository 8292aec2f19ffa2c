"""Sampled subsets of several tasks that are really trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cotrain import checks
from cotrain.affinity import cautions
from cotrain.affinity.affinity import Affinity
from cotrain.affinity.aggregation import co_occurrence_mean
from cotrain.affinity.calibration.measuring import Measurements
from cotrain.affinity.design import balanced_subsets, count_for_coverage, singles_and_all
from cotrain.affinity.shortened import shortened
from cotrain.affinity.subset_losses import SubsetLosses
from cotrain.affinity.surrogates import GainModel, GainProcess, KernelSurrogate, RidgeSurrogate
from cotrain.problem.problem import Problem
from cotrain.training.trainer import Trainer

SurrogateName = Literal["none", "ridge", "kernel", "gain-process"]
SURROGATES: tuple[SurrogateName, ...] = get_args(SurrogateName)


@dataclass(frozen=True)
class MeasuredSubsets:
    """Train sampled subsets; the affinity of a pair is the mean gain over the subsets that hold both.

    Parameters
    ----------
    subset_size
        Tasks in each subset; half of all by default.
    subsets
        How many; by default so many that every pair meets five times on average.
    fidelity
        Share of the epochs each training may take: short runs are cheap, and biased. As one of the ``scores`` of
        :class:`~cotrain.affinity.Calibrated` they are worth what full trainings say they are worth.
    surrogate
        Model that predicts the gains of all other subsets: ``"ridge"`` and ``"kernel"`` regress on who is there,
        ``"gain-process"`` is :class:`~cotrain.affinity.surrogates.GainProcess`; ``"none"``: mean affinities do.

    Notes
    -----
    Cost: ``tasks + subsets`` trainings, small ones many at once. Li et al., "Boosting Multitask Learning on Graphs
    through Higher-Order Task Affinities", KDD 2023.

    Examples
    --------
    >>> MeasuredSubsets(subset_size=3).surrogate
    'ridge'
    """

    name: ClassVar[str] = "measured-subsets"
    citation: ClassVar[str] = (
        "@inproceedings{li2023boosting, title={Boosting Multitask Learning on Graphs through Higher-Order Task "
        "Affinities}, author={Li, Dongyue and Ju, Haotian and Sharma, Aneesh and Zhang, Hongyang R.}, "
        "booktitle={KDD}, year={2023}}"
    )

    subset_size: int | None = None
    subsets: int | None = None
    fidelity: float = 1.0
    surrogate: SurrogateName = "ridge"

    def __post_init__(self) -> None:
        checks.one_of("surrogate", self.surrogate, SURROGATES)
        checks.within("fidelity", self.fidelity, 0.001, 1.0)
        if self.subset_size is not None:
            checks.at_least("subset_size", self.subset_size, 2)
        if self.subsets is not None:
            checks.at_least("subsets", self.subsets, 1)

    def estimate(self, problem: Problem, trainer: Trainer, *, seed: int = 0) -> Affinity:
        """Return mean gains over the measured subsets, with a model of all others."""
        mask = self._design(problem.names, seed)
        measured = Measurements(shortened(trainer, self.fidelity), problem.names)
        measured.train(mask, np.full(len(mask), seed))
        losses, cost = measured.table, measured.cost
        aggregate = co_occurrence_mean(losses)
        warnings = (*cautions.about_meetings(aggregate), *cautions.about_gains(aggregate))
        model = fit_surrogate(self.surrogate, losses)
        return Affinity(problem.names, *aggregate, self.name, "gain", losses, cost, warnings, self.citation, model)

    def _design(self, names: tuple[str, ...], seed: int) -> NDArray[np.bool_]:
        tasks = len(names)
        if tasks < 3:
            return singles_and_all(tasks)
        size = min(self.subset_size or max(3, tasks // 2), tasks - 1)
        count = self.subsets or count_for_coverage(tasks, size, 5)
        return np.concatenate([singles_and_all(tasks), balanced_subsets(names, size=size, count=count, seed=seed)])


def fit_surrogate(name: SurrogateName, losses: SubsetLosses) -> GainModel | None:
    """Return a model of all subsets' gains, learned from those of a table."""
    match name:
        case "ridge":
            return RidgeSurrogate.fit(losses)
        case "kernel":
            return KernelSurrogate.fit(losses)
        case "gain-process":
            return GainProcess.fit(losses)
        case "none":
            return None
