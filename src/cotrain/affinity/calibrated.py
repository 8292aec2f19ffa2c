"""A few real trainings, chosen to teach most, and a model that learns from them and from cheap scores."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from cotrain import checks
from cotrain.affinity import cautions
from cotrain.affinity.affinity import Affinity
from cotrain.affinity.aggregation import co_occurrence_mean
from cotrain.affinity.base import Estimator
from cotrain.affinity.calibration.active_design import first_subsets, most_telling
from cotrain.affinity.calibration.budget import affordable_trainings, enough_patience, training_rows
from cotrain.affinity.calibration.candidates import candidate_subsets
from cotrain.affinity.calibration.measuring import Measurements
from cotrain.affinity.design import singles_and_all, survey
from cotrain.affinity.subset_losses import SubsetLosses
from cotrain.affinity.surrogates.gain_process import GainProcess
from cotrain.problem.problem import Problem
from cotrain.training.trainer import Trainer

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Calibrated:
    """Train a few subsets, and learn from them the gains of all others, with intervals.

    Every task is trained alone, then subsets of all sizes, in rounds: the first covers all pairs evenly, the next are
    those whose outcome would most reduce what is uncertain. A Gaussian process
    (:class:`~cotrain.affinity.surrogates.GainProcess`) learns from all of them what company, size, single partners and
    the scores of cheap estimators do. Where pairs cannot tell, such as tasks that compete for a small network, larger
    subsets can.

    Parameters
    ----------
    trainings
        Subsets trained, those of one task among them. By default as many as take under a tenth of the operations
        that every task and every pair with eight seeds would take, but at least ``tasks + 10``, at most ten per task,
        and no more than tell some 2,500 losses.
    scores
        Cheap estimators whose affinities are features of the model. None by default: on measured truth they added
        little (see the leaderboard).
    rounds
        Rounds of training after that of single tasks.
    seeds
        Different seeds among the trainings, in turns; their effect is part of the model.
    patience
        Epochs without a better validation loss after which a training of several tasks ends. By default the least
        with which nearly all trainings of single tasks, which are as patient as the problem says, would have ended
        with about the same loss: the epochs that only show that nothing better comes are worth further subsets.

    Notes
    -----
    Cost: the trainings, small ones many at once. The idea of calibrating scores by a few trainings is that of Ayman,
    Mukhopadhyay and Laszka, "Ensemble Prediction of Task Affinity for Efficient Multi-Task Learning", ICLR 2026.

    Examples
    --------
    >>> Calibrated(trainings=30).rounds
    2
    """

    name: ClassVar[str] = "calibrated"
    citation: ClassVar[str] = (
        "@inproceedings{ayman2026ensemble, title={Ensemble Prediction of Task Affinity for Efficient Multi-Task "
        "Learning}, author={Ayman, Afiya and Mukhopadhyay, Ayan and Laszka, Aron}, booktitle={ICLR}, year={2026}}"
    )

    trainings: int | None = None
    scores: tuple[Estimator, ...] = ()
    rounds: int = 2
    seeds: int = 4
    patience: int | None = None

    def __post_init__(self) -> None:
        if self.trainings is not None:
            checks.at_least("trainings", self.trainings, 3)
        for name in ("rounds", "seeds"):
            checks.at_least(name, getattr(self, name), 1)
        if self.patience is not None:
            checks.at_least("patience", self.patience, 1)

    def estimate(self, problem: Problem, trainer: Trainer, *, seed: int = 0) -> Affinity:
        """Return expected gains with standard errors, and the model that predicts those of any subset.

        The gains are those on rows like the validation rows, of networks like those that were trained.
        """
        cheap = {one.name: one.estimate(problem, trainer, seed=seed) for one in self.scores}
        tasks = tuple(sorted(problem.names))
        scores = {name: affinity.with_tasks(tasks).matrix for name, affinity in cheap.items()}
        campaign = _Campaign(problem.with_tasks(tasks), Measurements(trainer, tasks), scores, self.seeds, seed)
        self._run(campaign)
        model, alone = campaign.model(), campaign.measured.table.alone
        spread = co_occurrence_mean(_predicted(model, alone, survey(tasks, seed=seed)))
        table = _predicted(model, alone, candidate_subsets(spread.matrix))
        cost = sum((affinity.cost for affinity in cheap.values()), campaign.measured.cost)
        warnings = tuple(cautions.about_gains(spread))
        affinity = Affinity(tasks, *spread, self.name, "gain", table, cost, warnings, self.citation, model)
        return affinity.with_tasks(problem.names)

    def _run(self, campaign: _Campaign) -> None:
        problem, measured = campaign.problem, campaign.measured
        alone = singles_and_all(len(problem.names))
        campaign.train(alone, problem.training.patience)
        if len(problem.names) < 3:
            return
        patience = self.patience or enough_patience(measured.curves, problem.training)
        for left in range(self.rounds, 0, -1):
            count = self._count(measured, problem, patience, left)
            if count > 0:
                first = left == self.rounds
                campaign.train(campaign.first(count) if first else campaign.most_telling(count), patience)

    def _count(self, measured: Measurements, problem: Problem, patience: int, rounds: int) -> int:
        """Return how many subsets to train in the next of so many rounds."""
        if self.trainings is None:
            return affordable_trainings(problem, measured, patience, rounds=rounds)
        return ceil((self.trainings - len(measured.mask)) / rounds)


class _Campaign:
    """The trainings so far, each with the next seed in turn."""

    def __init__(
        self, problem: Problem, measured: Measurements, scores: dict[str, Floats], seeds: int, first_seed: int
    ) -> None:
        self.problem, self.measured = problem, measured
        self._scores, self._seeds, self._first_seed = scores, seeds, first_seed

    def train(self, mask: NDArray[np.bool_], patience: int) -> None:
        """Train subsets, as patiently as told."""
        start = len(self.measured.mask)
        turns = self._first_seed + np.arange(start, start + len(mask)) % self._seeds
        self.measured.train(mask, turns, patience=patience)

    def first(self, count: int) -> NDArray[np.bool_]:
        """Return subsets to begin with."""
        return first_subsets(self.measured.tasks, count, self._first_seed)

    def most_telling(self, count: int) -> NDArray[np.bool_]:
        """Return the subsets to go on with."""
        price = partial(training_rows, self.problem)
        return most_telling(self.model(), count, self._first_seed, price=price)

    def model(self) -> GainProcess:
        """Return what was learned so far."""
        measured = self.measured
        return GainProcess.fit(measured.halves, scores=self._scores, seeds=measured.seeds, seed=self._first_seed)


def _predicted(model: GainProcess, alone: Floats, mask: NDArray[np.bool_]) -> SubsetLosses:
    """Return the losses that a model expects, on the level of the losses of single tasks."""
    gain, error = model.predict(mask)
    loss = alone * (1.0 - gain)
    return SubsetLosses(model.tasks, mask, loss, error * np.abs(alone), np.full(len(mask), "estimated"))
