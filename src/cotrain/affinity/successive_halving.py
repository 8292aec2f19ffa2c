"""Many subsets trained a little, the promising ones ever longer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from cotrain import checks
from cotrain.affinity import cautions
from cotrain.affinity.affinity import Affinity
from cotrain.affinity.aggregation import co_occurrence_mean
from cotrain.affinity.calibration.learning_curves import extrapolated
from cotrain.affinity.calibration.measuring import Measurements
from cotrain.affinity.design import of_all_sizes, singles_and_all
from cotrain.affinity.measured_subsets import SURROGATES, SurrogateName, fit_surrogate
from cotrain.affinity.shortened import shortened
from cotrain.cost import Cost
from cotrain.problem.problem import Problem
from cotrain.training.trainer import Trainer

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SuccessiveHalving:
    """Train many subsets for few epochs, promote those that gain most, and extrapolate the others' losses.

    Every rung trains ``factor`` times as long as the one before, on the ``1 / factor`` of its subsets whose tasks gain
    most over training alone as long. Single tasks and all tasks together climb all rungs: they are what gains are
    relative to, and with the winners they show how losses go on from an early rung
    (:func:`~cotrain.affinity.calibration.learning_curves.extrapolated`).

    It spends its budget where networks look good, and so finds good networks rather than all affinities.

    Parameters
    ----------
    subsets
        Random subsets of all sizes on the first rung; four per task by default.
    rungs
        Lengths of training; the last takes all epochs.
    factor
        How much longer each rung trains, and how many of its subsets compete for one place on the next.
    surrogate
        Model that predicts the gains of all other subsets, as for :class:`~cotrain.affinity.MeasuredSubsets`.

    Notes
    -----
    Cost: ``rungs * subsets / factor ** (rungs - 1)`` full trainings, and less than ``factor / (factor - 1)`` of one for
    every task. Jamieson and Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization",
    AISTATS 2016.

    Examples
    --------
    >>> SuccessiveHalving(subsets=90).rungs
    3
    """

    name: ClassVar[str] = "successive-halving"
    citation: ClassVar[str] = (
        "@inproceedings{jamieson2016nonstochastic, title={Non-stochastic Best Arm Identification and Hyperparameter "
        "Optimization}, author={Jamieson, Kevin and Talwalkar, Ameet}, booktitle={AISTATS}, year={2016}}"
    )

    subsets: int | None = None
    rungs: int = 3
    factor: int = 3
    surrogate: SurrogateName = "gain-process"

    def __post_init__(self) -> None:
        checks.one_of("surrogate", self.surrogate, SURROGATES)
        checks.at_least("rungs", self.rungs, 1)
        checks.at_least("factor", self.factor, 2)
        if self.subsets is not None:
            checks.at_least("subsets", self.subsets, 1)

    def estimate(self, problem: Problem, trainer: Trainer, *, seed: int = 0) -> Affinity:
        """Return mean gains over all subsets, measured and extrapolated, with a model of the others."""
        tasks = tuple(sorted(problem.names))
        mask = self._design(tasks, seed)
        found, cost = self._climb(trainer, tasks, mask, seed)
        losses = extrapolated(tasks, mask, found)
        aggregate = co_occurrence_mean(losses)
        warnings = (*cautions.about_meetings(aggregate), *cautions.about_gains(aggregate))
        model = fit_surrogate(self.surrogate, losses)
        affinity = Affinity(tasks, *aggregate, self.name, "gain", losses, cost, warnings, self.citation, model)
        return affinity.with_tasks(problem.names)

    def _design(self, tasks: tuple[str, ...], seed: int) -> NDArray[np.bool_]:
        count = len(tasks)
        if count < 3:
            return singles_and_all(count)
        larger = of_all_sizes(tasks, 2, count - 1, count=self.subsets or 4 * count, seed=seed)
        return np.concatenate([singles_and_all(count), larger])

    def _climb(
        self, trainer: Trainer, tasks: tuple[str, ...], mask: NDArray[np.bool_], seed: int
    ) -> tuple[Floats, Cost]:
        """Return the losses ``(rungs, subsets, tasks)`` and what training took."""
        found, cost, left = np.full((self.rungs, *mask.shape), np.nan), Cost(), np.arange(len(mask))
        for rung, losses in enumerate(found):
            share = float(self.factor) ** (rung + 1 - self.rungs)
            measured = Measurements(shortened(trainer, share), tasks)
            measured.train(mask[left], np.full(len(left), seed))
            losses[left] = measured.table.loss
            cost += measured.cost
            left = left[self._promoted(mask[left], measured.table.gain())]
        return found, cost

    def _promoted(self, mask: NDArray[np.bool_], gain: Floats) -> NDArray[np.int64]:
        """Return which subsets go on: the references always, of the others those of the largest mean gain."""
        size = mask.sum(axis=1)
        references = np.flatnonzero((size == 1) | (size == mask.shape[1]))
        others = np.flatnonzero((size > 1) & (size < mask.shape[1]))
        best = others[np.argsort(-np.nanmean(gain[others], axis=1), kind="stable")]
        return np.sort(np.concatenate([references, best[: -(-len(others) // self.factor)]]))
