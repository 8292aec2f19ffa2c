"""Data maps against their definition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from cotrain.affinity.training_dynamics import TrainingDynamics
from cotrain.errors import InputError
from cotrain.problem.task import Task
from cotrain.training.callbacks import Callback
from cotrain.training.run import Run
from cotrain.training.subset_data import SubsetData
from cotrain.training.trainer import Trainer

from .families import QUICK, Member, member, problem_of

MEMBERS = (
    member("a1", 0),
    member("a2", 0),
    Member(Task("c", "multiclass", classes=3), 1),
    Member(Task("v", "regression"), 1),
)
SUBSET = ("a1", "a2", "c", "v")


class ByHand(Callback):
    """Outputs for all training rows after every epoch."""

    def __init__(self) -> None:
        self.outputs: list[torch.Tensor] = []

    def before_training(self, run: Run, data: SubsetData) -> None:
        assert not len(run.history)
        self.rows = data.train

    @torch.no_grad()
    def after_epoch(self, run: Run) -> None:
        self.outputs.append(run.network(self.rows.inputs))

    def confidence(self) -> NDArray[np.float64]:
        """``(epochs, rows, tasks)``, labels filled in by the last prediction."""
        last, labels = self.outputs[-1], self.rows.targets.clone()
        guesses = ((last[:, 0] > 0).float(), (last[:, 1] > 0).float(), last[:, 2:5].argmax(dim=1).float(), last[:, 5])
        for column, guess in enumerate(guesses):
            labels[:, column] = torch.where(labels[:, column].isnan(), guess, labels[:, column])
        return np.stack([self._likelihood(each, labels) for each in self.outputs])

    def _likelihood(self, outputs: torch.Tensor, labels: torch.Tensor) -> NDArray[np.float64]:
        binary = torch.sigmoid(outputs[:, :2] * (2 * labels[:, :2] - 1))
        classes = outputs[:, 2:5].softmax(dim=1).gather(1, labels[:, 2:3].long())
        value = torch.exp(-((outputs[:, 5:] - labels[:, 3:]) ** 2))
        return torch.cat([binary, classes, value], dim=1).double().numpy()


def _correlation(maps: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.mean([np.corrcoef(part.T) for part in maps], axis=0)
    return found


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_affinities_are_correlations_or_distances_of_data_maps(missing: float) -> None:
    problem, by_hand = problem_of(MEMBERS, missing=missing, training=replace(QUICK, epochs=4)), ByHand()
    Trainer(problem).fit(SUBSET, callbacks=[by_hand])
    maps = by_hand.confidence().mean(axis=0), by_hand.confidence().std(axis=0)
    off = ~np.eye(4, dtype=bool)
    found = TrainingDynamics(seeds=1).estimate(problem, Trainer(problem))
    np.testing.assert_allclose(found.matrix[off], _correlation(maps)[off], atol=1e-4)
    apart = TrainingDynamics(seeds=1, compare="distance").estimate(problem, Trainer(problem)).matrix
    for one in range(4):
        for other in range(4):
            squares = np.mean([(part[:, one] - part[:, other]) ** 2 for part in maps])
            assert apart[one, other] == pytest.approx(-np.sqrt(squares), abs=1e-5)


def test_distance_calls_equally_hard_tasks_alike_and_correlation_does_not() -> None:
    """Two tasks of random labels have nothing in common but that nobody can learn them."""
    problem = problem_of((member("a1", 0), member("a2", 0), member("r1", None), member("r2", None)))
    trainer, off = Trainer(problem), ~np.eye(4, dtype=bool)
    a1, a2, r1, r2 = range(4)
    correlation = TrainingDynamics(seeds=2).estimate(problem, trainer).matrix
    distance = TrainingDynamics(seeds=2, compare="distance").estimate(problem, trainer).matrix
    assert correlation[a1, a2] == correlation[off].max() > 0.3
    assert distance[r1, r2] > distance[r1, a1]
    assert abs(correlation[r1, r2]) < 0.3


def test_no_more_rows_than_asked_for_are_mapped() -> None:
    problem = problem_of(MEMBERS, training=replace(QUICK, epochs=2))
    few, all_rows = (TrainingDynamics(seeds=1, rows=rows).estimate(problem, Trainer(problem)) for rows in (50, 1000))
    assert (few.counts == 50).all()
    assert (all_rows.counts == 160).all()
    assert few.cost.flops < all_rows.cost.flops


@pytest.mark.parametrize("options", [{"compare": "cosine"}, {"rows": 1}, {"seeds": 0}], ids=str)
def test_bad_parameters_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"`{next(iter(options))}`"):
        TrainingDynamics(**options)
