"""Keeps a training under way in a file, so that a killed process loses only its last seconds."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer

from cotrain.training.history import History
from cotrain.training.ledger import prefixed, unprefixed
from cotrain.training.loop import Run
from cotrain.training.tensor_file import load_tensors, save_tensors


class Checkpoint:
    """The file of one training under way. Resumed from it, training ends as if it had never been interrupted.

    It is written between epochs. No random state is kept: each epoch derives its own from the seed and its number.

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
        self._written = time.monotonic()

    def restore(self, run: Run) -> None:
        """Bring a fresh training to where the file left off; without a file leave it as it is."""
        found = load_tensors(self.path, self.origin)
        if found is None:
            return
        header, tensors = found
        run.network.load_state_dict(unprefixed("network.", tensors))
        device = next(run.network.parameters()).device
        run.best = {name: value.to(device, copy=True) for name, value in unprefixed("best.", tensors).items()}
        run.history = History(tensors["losses"].numpy())
        run.seconds = header["seconds"]
        _restore_optimizer(run.optimizer, unprefixed("optimizer.", tensors))

    def save_when_due(self, run: Run) -> None:
        """Write the file unless that was done a moment ago."""
        if time.monotonic() - self._written >= self.every:
            self.save(run)
            self._written = time.monotonic()

    def save(self, run: Run) -> None:
        """Write the file."""
        parts = {"network.": run.network.state_dict(), "best.": run.best, "optimizer.": _state(run.optimizer)}
        tensors = {"losses": torch.from_numpy(np.stack(run.history.losses))}
        for prefix, part in parts.items():
            tensors |= prefixed(prefix, part)
        save_tensors(self.path, {**self.origin, "seconds": run.seconds}, tensors)

    def discard(self) -> None:
        """Delete the file, if there is one."""
        self.path.unlink(missing_ok=True)


def _state(optimizer: Optimizer) -> dict[str, Tensor]:
    state = optimizer.state_dict()["state"]
    return {f"{index}.{key}": value for index, own in state.items() for key, value in own.items()}


def _restore_optimizer(optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, key = name.split(".", maxsplit=1)
        state.setdefault(int(index), {})[key] = value.clone()
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
