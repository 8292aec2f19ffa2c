from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from torch import nn

from cotrain.errors import InputError
from cotrain.execution.executor import SerialExecutor
from cotrain.execution.processes import ProcessExecutor
from cotrain.models.mlp import SharedMLPFactory
from cotrain.problem.options import NetworkOptions
from cotrain.problem.problem import Problem
from cotrain.training.trainer import Trainer

from .problems import identical, problem_for

JOBS = [(("a", "b"), 0), (("c",), 1), (("a", "b"), 1)]


def unstackable() -> Problem:
    return replace(problem_for(), build=SharedMLPFactory(5, NetworkOptions(hidden=(8,), dropout=0.1)))


@pytest.mark.parametrize("kept", [False, True])
def test_processes_find_what_this_process_finds(tmp_path: Path, kept: bool) -> None:
    problem, folder = unstackable(), tmp_path if kept else None
    expected = list(Trainer(problem).fit_many(JOBS))
    found = list(Trainer(problem, folder=folder, executor=ProcessExecutor(1)).fit_many(JOBS))
    assert all(identical(one, other) for one, other in zip(found, expected, strict=True))
    assert len(list(tmp_path.glob("fits/*"))) == (3 if kept else 0)


def test_finished_fits_are_not_sent_anywhere(tmp_path: Path) -> None:
    problem, heard = unstackable(), []

    class Listener:
        def advance(self, description: str) -> None:
            heard.append(description)

    list(Trainer(problem, folder=tmp_path).fit_many(JOBS[:2]))
    list(Trainer(problem, folder=tmp_path, executor=SerialExecutor(), progress=Listener()).fit_many(JOBS))
    assert heard == ["trained a, b (seed 1)"]


def test_a_problem_that_cannot_be_sent_is_refused() -> None:
    def local(_: Sequence[object]) -> nn.Module:
        return nn.Sequential(nn.Linear(5, 1), nn.Dropout(0.1))

    trainer = Trainer(replace(problem_for(), build=local), executor=ProcessExecutor(1))
    with pytest.raises(InputError, match="must be importable, not a lambda or a local function"):
        list(trainer.fit_many([(("a",), 0), (("b",), 0)]))
