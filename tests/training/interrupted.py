"""Trainings that are interrupted."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cotrain.training.checkpoint import Checkpoint


class InterruptedTrainingError(Exception):
    pass


@contextmanager
def interrupted(monkeypatch: pytest.MonkeyPatch, *, writings: int) -> Iterator[None]:
    """Stop the process, as it were, right after checkpoints were written so many times."""
    save, count = Checkpoint.save, 0

    def counted(self: Checkpoint, training: object) -> None:
        nonlocal count
        save(self, training)  # type: ignore[arg-type]
        count += 1
        if count == writings:
            raise InterruptedTrainingError

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "save", counted)
        patch.setattr("cotrain.training.checkpoint.MOST_OF_THE_TIME", 0)
        with pytest.raises(InterruptedTrainingError):
            yield
