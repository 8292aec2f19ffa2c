"""A training under way."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from cotrain.problem.options import TrainingOptions
from cotrain.problem.task import Subset
from cotrain.training.balancing.backward import Backward
from cotrain.training.checkpoint import State
from cotrain.training.history import History
from cotrain.training.optimizer import optimizer_of, optimizer_state, restore_optimizer
from cotrain.training.precision import scaler_of
from cotrain.training.schedule import replay, scheduler_of
from cotrain.training.tensor_file import prefixed, unprefixed
from cotrain.training.untrained import Job


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
    scaler
        Of gradients in half precision.
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
    scaler: GradScaler | None = None
    best: dict[str, Tensor] = field(default_factory=dict)
    history: History = field(default_factory=History)
    seconds: float = 0.0

    @classmethod
    def of(cls, job: Job, network: nn.Module, options: TrainingOptions, backward: Backward | None = None) -> Run:
        """Prepare a training as ``options`` say, with plain gradients by default."""
        backward = backward or Backward()
        optimizer = optimizer_of(network.parameters(), options, backward.parameters())
        backward.attach(optimizer)
        scaler = scaler_of(options, next(network.parameters()).device)
        return cls(*job, network, optimizer, backward, scheduler_of(optimizer, options), scaler)

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
        scale = {} if self.scaler is None else self.scaler.state_dict()
        return {"seconds": self.seconds, "scale": scale}, tensors

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
        if self.scaler is not None:
            self.scaler.load_state_dict(header["scale"])
        replay(self.scheduler, self.history.curve.tolist())
