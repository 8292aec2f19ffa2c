"""A few real trainings, chosen to teach most, and a model that learns from them and from cheap scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from cotrain import checks
from cotrain.affinity import cautions
from cotrain.affinity.affinity import Affinity
from cotrain.affinity.aggregation import co_occurrence_mean
from cotrain.affinity.base import Estimator
from cotrain.affinity.calibration.active_design import first_subsets, largest, most_telling
from cotrain.affinity.calibration.candidates import candidate_subsets
from cotrain.affinity.calibration.measuring import Measurements
from cotrain.affinity.design import singles_and_all, survey
from cotrain.affinity.subset_losses import SubsetLosses
from cotrain.affinity.surrogates.gain_process import GainProcess
from cotrain.problem.problem import Problem
from cotrain.training.trainer import Trainer

Floats = NDArray[np.float64]
_OBSERVATIONS = 5000
"""Losses, on two halves of the rows, that a process learns from in seconds."""
_SHARE = 0.6
"""Of the rows of all pairs, each once: under a tenth of eight times."""


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
        Subsets trained, those of one task among them. By default as many as go through under a tenth of the rows
        that all pairs with eight seeds go through, but at least ``tasks + 10``, and no more than tell some 2,500
        losses.
    scores
        Cheap estimators whose affinities are features of the model. None by default: on measured truth they added
        little (see the leaderboard).
    rounds
        Rounds of training after that of single tasks.
    seeds
        Different seeds among the trainings, in turns; their effect is part of the model.

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

    def __post_init__(self) -> None:
        if self.trainings is not None:
            checks.at_least("trainings", self.trainings, 3)
        for name in ("rounds", "seeds"):
            checks.at_least(name, getattr(self, name), 1)

    def estimate(self, problem: Problem, trainer: Trainer, *, seed: int = 0) -> Affinity:
        """Return expected gains with standard errors, and the model that predicts those of any subset.

        The gains are those on rows like the validation rows, of networks like those that were trained.
        """
        cheap = {one.name: one.estimate(problem, trainer, seed=seed) for one in self.scores}
        tasks = tuple(sorted(problem.names))
        scores = {name: affinity.with_tasks(tasks).matrix for name, affinity in cheap.items()}
        campaign = _Campaign(Measurements(trainer, tasks), scores, self.seeds, seed)
        self._run(campaign, self._trainings(problem.with_tasks(tasks)))
        model, alone = campaign.model(), campaign.measured.table.alone
        spread = co_occurrence_mean(_predicted(model, alone, survey(tasks, seed=seed)))
        table = _predicted(model, alone, candidate_subsets(spread.matrix))
        cost = sum((affinity.cost for affinity in cheap.values()), campaign.measured.cost)
        warnings = tuple(cautions.about_gains(spread))
        affinity = Affinity(tasks, *spread, self.name, "gain", table, cost, warnings, self.citation, model)
        return affinity.with_tasks(problem.names)

    def _run(self, campaign: _Campaign, trainings: int) -> None:
        tasks = len(campaign.measured.tasks)
        alone = singles_and_all(tasks)
        campaign.train(alone)
        left = max(trainings - len(alone), 0) if tasks > 2 else 0
        for number in range(self.rounds):
            count = left // self.rounds + (number < left % self.rounds)
            if count:
                campaign.train(campaign.first(count) if number == 0 else campaign.most_telling(count))

    def _trainings(self, problem: Problem) -> int:
        if self.trainings is not None or len(problem.names) < 3:
            return self.trainings or 0
        tasks = len(problem.names)
        told = tasks + _OBSERVATIONS / (2 + largest(tasks))
        return round(min(max(_within_budget(problem), tasks + 10), 10 * tasks, told))


def _within_budget(problem: Problem) -> float:
    """Return how many trainings go through the rows that may be spent, every task alone and all together first."""
    names, tasks = problem.names, len(problem.names)
    observed = problem.splits["train"].observed.cpu().numpy()
    common = observed.T.astype(np.float64) @ observed
    own = common.diagonal()
    pairs = float((own[:, None] + own - common)[np.triu_indices(tasks, 1)].sum())
    left = _SHARE * pairs - float(own.sum()) - len(observed)
    larger = [observed[:, row].any(axis=1).sum() for row in first_subsets(names, tasks, 0)]
    return tasks + 1 + left / float(np.mean(larger))


class _Campaign:
    """The trainings so far, each with the next seed in turn."""

    def __init__(self, measured: Measurements, scores: dict[str, Floats], seeds: int, first_seed: int) -> None:
        self.measured = measured
        self._scores, self._seeds, self._first_seed = scores, seeds, first_seed

    def train(self, mask: NDArray[np.bool_]) -> None:
        """Train subsets."""
        start = len(self.measured.mask)
        turns = self._first_seed + np.arange(start, start + len(mask)) % self._seeds
        self.measured.train(mask, turns)

    def first(self, count: int) -> NDArray[np.bool_]:
        """Return subsets to begin with."""
        return first_subsets(self.measured.tasks, count, self._first_seed)

    def most_telling(self, count: int) -> NDArray[np.bool_]:
        """Return the subsets to go on with."""
        return most_telling(self.model(), count, self._first_seed)

    def model(self) -> GainProcess:
        """Return what was learned so far."""
        measured = self.measured
        return GainProcess.fit(measured.halves, scores=self._scores, seeds=measured.seeds, seed=self._first_seed)


def _predicted(model: GainProcess, alone: Floats, mask: NDArray[np.bool_]) -> SubsetLosses:
    """Return the losses that a model expects, on the level of the losses of single tasks."""
    gain, error = model.predict(mask)
    loss = alone * (1.0 - gain)
    return SubsetLosses(model.tasks, mask, loss, error * np.abs(alone), np.full(len(mask), "estimated"))
