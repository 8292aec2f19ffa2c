"""Keeps a training under way in a file, so that a killed process loses only its last seconds."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from torch import Tensor

from cotrain.training.tensor_file import load_tensors, save_tensors

State: TypeAlias = tuple[dict[str, Any], dict[str, Tensor]]
"""Plain values and tensors."""

MOST_OF_THE_TIME = 20
"""Writing takes at most one part in so many of the time."""


class Resumable(Protocol):
    """A training whose state can be taken and put back."""

    def state(self) -> State:
        """Return all it needs to go on as if it had never been interrupted."""
        ...

    def restore(self, state: State) -> None:
        """Bring a fresh training to a state."""
        ...


class Stage(Resumable, Protocol):
    """A resumable training that goes on bit by bit until it is finished."""

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        ...

    def advance(self) -> None:
        """Train a bit: what an interruption may cost."""
        ...


class Checkpoint:
    """The file of one training under way. Resumed from it, training ends as if it had never been interrupted.

    No random state is kept: each epoch derives its own from the seed and its number.

    Parameters
    ----------
    path
        Its file.
    origin
        What the training depends on; a file of another origin is refused.
    every
        Least number of seconds between two writings.
    """

    def __init__(self, path: Path, origin: Mapping[str, Any], *, every: float) -> None:
        self.path = path
        self.origin = {"kind": "checkpoint", **origin}
        self.every = every
        self._due = time.monotonic() + every

    def load(self) -> State | None:
        """Return the state in the file, or None where there is no file."""
        return load_tensors(self.path, self.origin)

    def save_when_due(self, training: Resumable) -> None:
        """Write the file unless that was done a moment ago."""
        start = time.monotonic()
        if start >= self._due:
            self.save(training)
            stop = time.monotonic()
            self._due = stop + max(self.every, MOST_OF_THE_TIME * (stop - start))

    def save(self, training: Resumable) -> None:
        """Write the file."""
        header, tensors = training.state()
        save_tensors(self.path, {**header, **self.origin}, tensors)

    def discard(self) -> None:
        """Delete the file, if there is one."""
        self.path.unlink(missing_ok=True)


def complete(stage: Stage, checkpoint: Checkpoint | None) -> None:
    """Train a stage to its end, from its checkpoint if there is one; its last state is kept there."""
    if checkpoint is not None and (state := checkpoint.load()) is not None:
        stage.restore(state)
    if stage.finished:
        return
    while not stage.finished:
        stage.advance()
        if checkpoint is not None and not stage.finished:
            checkpoint.save_when_due(stage)
    if checkpoint is not None:
        checkpoint.save(stage)
