"""Trainings cut short, where fits are kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.affinity.families import member, problem_of

from cotrain.affinity import Calibrated, Estimator, MeasuredSubsets, SuccessiveHalving
from cotrain.affinity.shortened import impatient, shortened
from cotrain.training.trainer import Trainer

MEMBERS = [member(f"{family}{number}", number % 2) for number, family in enumerate("abcd")]


def test_what_changes_nothing_is_the_trainer_itself() -> None:
    trainer = Trainer(problem_of(MEMBERS))
    assert shortened(trainer, 1.0) is trainer
    assert impatient(trainer, trainer.problem.training.patience) is trainer
    assert impatient(trainer, 1).problem.training.patience == 1
    assert shortened(trainer, 0.01).problem.training.epochs == 1


@pytest.mark.parametrize(
    "estimator",
    [Calibrated(trainings=9, patience=1), SuccessiveHalving(subsets=6), MeasuredSubsets(subsets=3, fidelity=0.1)],
    ids=lambda estimator: str(estimator.name),
)
def test_short_and_long_trainings_are_kept_apart_and_recalled(estimator: Estimator, tmp_path: Path) -> None:
    problem = problem_of(MEMBERS)
    trainer = Trainer(problem, folder=tmp_path)
    full = {name: trainer.fit((name,)).validation_loss for name in problem.names}
    first = estimator.estimate(problem, trainer)
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    again = estimator.estimate(problem, trainer)
    np.testing.assert_array_equal(first.matrix, again.matrix)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")} == kept
    for name, loss in full.items():
        np.testing.assert_array_equal(trainer.fit((name,)).validation_loss, loss)
