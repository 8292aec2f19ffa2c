"""Callbacks hear of every step and epoch; one that only looks leaves no trace."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cotrain.training.callbacks import Callback, Step
from cotrain.training.run import Run
from cotrain.training.subset_data import SubsetData
from cotrain.training.trainer import Trainer

from .problems import QUICK, identical, problem_for

SUBSET = ("a", "b", "d")


class Notes(Callback):
    """Writes down what it hears, and draws random numbers."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, int]] = []
        self.rows = 0

    def before_training(self, run: Run, data: SubsetData) -> None:
        torch.rand(3)
        assert not len(run.history)
        self.heard.append(("training", len(data.train)))

    def before_step(self, step: Step) -> None:
        torch.rand(3)
        assert step.run.network.training
        assert step.batch.targets.shape[1] == len(step.data.tasks) == len(step.run.subset)
        self.rows += len(step.batch)
        self.heard.append(("step", step.number))

    def after_epoch(self, run: Run) -> None:
        torch.rand(3)
        self.heard.append(("epoch", len(run.history)))


def test_callbacks_hear_everything_in_order() -> None:
    problem, notes = problem_for(rows=40, missing=0.0, training=replace(QUICK, epochs=2)), Notes()
    fit = Trainer(problem).fit(SUBSET, callbacks=[notes])
    epoch = [("step", 0), ("step", 1), ("step", 2)]
    assert notes.heard == [("training", 40), *epoch, ("epoch", 1), *epoch, ("epoch", 2)]
    assert notes.rows == 80
    assert fit.steps == 6


@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_looking_on_leaves_no_trace(dropout: float) -> None:
    trainer = Trainer(problem_for(dropout=dropout))
    before = torch.get_rng_state()
    assert identical(trainer.fit(SUBSET, callbacks=[Notes()]), trainer.fit(SUBSET))
    assert torch.equal(before, torch.get_rng_state())


class Halve(Callback):
    """Halves the learning rate after every epoch."""

    def after_epoch(self, run: Run) -> None:
        for group in run.optimizer.param_groups:
            group["lr"] /= 2


def test_a_callback_may_change_the_training_and_that_is_not_kept(tmp_path: Path) -> None:
    problem = problem_for()
    plain = Trainer(problem).fit(SUBSET)
    kept = Trainer(problem, folder=tmp_path)
    halved = kept.fit(SUBSET, callbacks=[Halve()])
    assert not identical(halved, plain)
    assert identical(kept.fit(SUBSET), plain)
    assert identical(kept.fit(SUBSET, callbacks=[Halve()]), halved), "what was kept must not stand in for it"
