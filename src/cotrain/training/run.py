"""A training under way."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from cotrain.problem.task import Subset
from cotrain.training.balancing.backward import Backward
from cotrain.training.checkpoint import State
from cotrain.training.history import History
from cotrain.training.optimizer import optimizer_state, restore_optimizer
from cotrain.training.schedule import replay
from cotrain.training.tensor_file import prefixed, unprefixed


@dataclass(eq=False)
class Run:
    """A training under way: what it needs to go on after an interruption.

    Random numbers need no place here: those of an epoch derive from the seed and the epoch's number.

    Parameters
    ----------
    subset, seed
        What is trained.
    network, optimizer
        As they are now.
    backward
        How losses become gradients.
    scheduler
        Changes the learning rate after each epoch.
    best
        The weights at the best validation loss so far.
    history
        Validation losses so far.
    seconds
        Spent so far.
    """

    subset: Subset
    seed: int
    network: nn.Module
    optimizer: Optimizer
    backward: Backward = field(default_factory=Backward)
    scheduler: LRScheduler | None = None
    best: dict[str, Tensor] = field(default_factory=dict)
    history: History = field(default_factory=History)
    seconds: float = 0.0

    def state(self) -> State:
        """Return all it needs to go on as if it had never been interrupted."""
        parts = {
            "network.": self.network.state_dict(),
            "best.": self.best,
            "optimizer.": optimizer_state(self.optimizer),
            "backward.": self.backward.state_dict(),
        }
        tensors = {"losses": torch.from_numpy(np.stack(self.history.losses))}
        for prefix, part in parts.items():
            tensors |= prefixed(prefix, part)
        return {"seconds": self.seconds}, tensors

    def restore(self, state: State) -> None:
        """Bring a fresh training to a state."""
        header, tensors = state
        device = next(self.network.parameters()).device
        self.network.load_state_dict(unprefixed("network.", tensors))
        self.best = {name: value.to(device, copy=True) for name, value in unprefixed("best.", tensors).items()}
        self.history = History(tensors["losses"].numpy())
        self.seconds = header["seconds"]
        restore_optimizer(self.optimizer, unprefixed("optimizer.", tensors))
        self.backward.load_state_dict(unprefixed("backward.", tensors))
        replay(self.scheduler, self.history.curve.tolist())
