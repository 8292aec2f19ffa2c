from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cotrain.errors import InputError, MismatchError
from cotrain.problem.problem import Problem
from cotrain.training.subset_data import batches
from cotrain.training.trainer import Trainer

from .damage import DAMAGES
from .interrupted import interrupted
from .problems import MIXED, QUICK, identical, problem_for

SUBSET = ("a", "b", "c")
LONG = replace(QUICK, epochs=9, patience=9)


def checkpoint_of(problem: Problem, folder: Path, monkeypatch: pytest.MonkeyPatch, *, writings: int = 2) -> Path:
    trainer = Trainer(problem, folder=folder, checkpoint_seconds=0)
    with interrupted(monkeypatch, writings=writings):
        trainer.fit(SUBSET)
    return next((folder / "checkpoints").iterdir())


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("epochs", [1, 4, 8])
def test_a_resumed_training_ends_bit_identical(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dropout: float, optimizer: str, epochs: int
) -> None:
    options = replace(LONG, optimizer=optimizer)  # type: ignore[arg-type]
    problem = problem_for(dropout=dropout, training=options)
    checkpoint = checkpoint_of(problem, tmp_path, monkeypatch, writings=epochs)
    steps = count_epochs(monkeypatch)
    resumed = Trainer(problem, folder=tmp_path).fit(SUBSET)
    assert identical(resumed, Trainer(problem).fit(SUBSET))
    assert steps()[: len(resumed.curve) - epochs] == list(range(epochs, len(resumed.curve)))
    assert not checkpoint.exists()


def count_epochs(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[int]]:
    """Return a function that tells which epochs were trained from now on."""
    seen: list[int] = []

    def watched(rows: int, size: int, seed: int, epoch: int) -> tuple[torch.Tensor, ...]:
        seen.append(epoch)
        return batches(rows, size, seed, epoch)

    monkeypatch.setattr("cotrain.training.loop.batches", watched)
    return lambda: seen


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Path], None]
) -> None:
    problem = problem_for(training=LONG)
    path = checkpoint_of(problem, tmp_path, monkeypatch)
    damage(path)
    with pytest.raises(InputError, match="is damaged or not a file of cotrain's") as caught:
        Trainer(problem, folder=tmp_path).fit(SUBSET)
    assert str(path) in str(caught.value)
    assert "Delete it or choose another folder" in str(caught.value)


@pytest.mark.parametrize(
    ("other", "differs"),
    [
        (problem_for(training=replace(LONG, learning_rate=0.1)), "problem"),
        (problem_for(training=LONG, missing=0.1), "problem"),
        (problem_for((replace(MIXED[0], weight=1.0), *MIXED[1:]), training=LONG), "problem"),
        (problem_for(training=LONG, hidden=(9,)), "network"),
        (problem_for(training=LONG, dropout=0.1), "network"),
    ],
)
def test_a_foreign_checkpoint_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: Problem, differs: str
) -> None:
    path = checkpoint_of(problem_for(training=LONG), tmp_path, monkeypatch)
    with pytest.raises(MismatchError, match=f"was written for another `{differs}`") as caught:
        Trainer(other, folder=tmp_path).fit(SUBSET)
    assert str(path) in str(caught.value)


def test_checkpoints_wait_between_writings(tmp_path: Path) -> None:
    Trainer(problem_for(), folder=tmp_path).fit(SUBSET)
    assert not (tmp_path / "checkpoints").exists()
