"""Trains one network: epochs of mini-batches until the validation loss stops falling."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer

from cotrain.errors import DivergedError
from cotrain.problem.options import TrainingOptions
from cotrain.problem.rows import select
from cotrain.problem.task import Subset
from cotrain.seeding import seeded
from cotrain.training.evaluation import mean_losses
from cotrain.training.subset_data import SubsetData, batches

MOMENTUM = 0.9


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
    best
        The weights at the best validation loss so far.
    losses
        Validation losses of each task after each epoch.
    seconds
        Spent so far.
    """

    subset: Subset
    seed: int
    network: nn.Module
    optimizer: Optimizer
    best: dict[str, Tensor] = field(default_factory=dict)
    losses: list[NDArray[np.float64]] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def epoch(self) -> int:
        """Number of finished epochs."""
        return len(self.losses)


def optimizer_of(network: nn.Module, options: TrainingOptions) -> Optimizer:
    """Return the optimizer that ``options`` names for the network's trainable parameters."""
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    rate, decay = options.learning_rate, options.weight_decay
    if options.optimizer == "adamw":
        return AdamW(parameters, lr=rate, weight_decay=decay, fused=True)
    return SGD(parameters, lr=rate, weight_decay=decay, momentum=MOMENTUM, fused=True)


def train_epoch(run: Run, data: SubsetData, options: TrainingOptions) -> None:
    """Take one pass over the training rows and judge the network on the validation rows.

    Raises
    ------
    DivergedError
        When a loss is not finite.
    """
    total = torch.zeros((), device=data.label_weights.device)
    run.network.train()
    with seeded(run.seed, "dropout", run.epoch):
        for batch in batches(len(data.train), options.batch_size, run.seed, run.epoch):
            total += _step(run, data, batch.to(data.label_weights.device))
    losses = mean_losses(run.network, data.tasks, data.validation)
    refuse_divergence(run.subset, run.epoch, total.item() + float(np.nanmean(losses)))
    run.losses.append(losses)
    if best_epoch(run.losses) == run.epoch - 1:
        run.best = {name: value.clone() for name, value in run.network.state_dict().items()}


def _step(run: Run, data: SubsetData, batch: Tensor) -> Tensor:
    outputs = run.network(select(data.train.inputs, batch))
    loss = data.loss(outputs, data.train.targets[batch])
    run.optimizer.zero_grad()
    torch.autograd.backward(loss)
    run.optimizer.step()
    return loss.detach()


def best_epoch(losses: list[NDArray[np.float64]]) -> int:
    """Return the first epoch with the lowest mean over tasks."""
    return int(np.nanmean(losses, axis=1).argmin())


def finished(losses: list[NDArray[np.float64]], options: TrainingOptions) -> bool:
    """Return whether training is over: epochs used up or :func:`patience <out_of_patience>` lost."""
    return len(losses) >= options.epochs or out_of_patience(losses, options)


def out_of_patience(losses: list[NDArray[np.float64]], options: TrainingOptions) -> bool:
    """Return whether the last ``patience`` epochs brought no better mean validation loss."""
    return bool(losses) and len(losses) - 1 - best_epoch(losses) >= options.patience


def refuse_divergence(subset: Subset, epoch: int, loss: float) -> None:
    """Refuse to go on with a loss that is not finite."""
    if not np.isfinite(loss):
        raise DivergedError(
            f"Training on {', '.join(subset)} diverged: the loss is not finite in epoch {epoch + 1}. "
            "Lower `learning_rate` or look for extreme values in the inputs."
        )
