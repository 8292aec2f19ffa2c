"""Trains one network: epochs of mini-batches until the validation loss stops falling."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer

from cotrain.cost import Cost
from cotrain.errors import DivergedError
from cotrain.execution.threads import threads
from cotrain.problem.options import TrainingOptions
from cotrain.problem.rows import select
from cotrain.problem.task import Subset
from cotrain.seeding import seeded
from cotrain.training.evaluation import mean_losses
from cotrain.training.fit import Fit
from cotrain.training.flops import flops_per_row
from cotrain.training.subset_data import SubsetData, batches, steps_per_epoch

MOMENTUM = 0.9
FLOPS_WORTH_THREADS = 5e7


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


def train(run: Run, data: SubsetData, options: TrainingOptions, after_epoch: Callable[[Run], object]) -> Fit:
    """Train until patience or epochs are used up, and return the network at its best validation loss.

    Raises
    ------
    DivergedError
        When a loss is not finite.
    """
    per_row = flops_per_row(run.network, data, options.batch_size)
    with threads(threads_for(per_row.step * options.batch_size)):
        while not finished(run.losses, options):
            start = time.perf_counter()
            _train_epoch(run, data, options)
            run.seconds += time.perf_counter() - start
            after_epoch(run)
    run.network.load_state_dict(run.best)
    flops = run.epoch * (per_row.step * len(data.train) + per_row.forward * len(data.validation))
    return Fit(
        subset=run.subset,
        seed=run.seed,
        network=run.network.eval(),
        validation_loss=run.losses[best_epoch(run.losses)],
        curve=np.nanmean(run.losses, axis=1),
        steps=run.epoch * steps_per_epoch(len(data.train), options.batch_size),
        converged=out_of_patience(run.losses, options),
        cost=Cost(flops, run.seconds, trainings=1),
    )


def threads_for(flops: float) -> int:
    """Return how many threads a step of so many operations deserves.

    Handing small work to a second thread gains little, and costs a factor of ten where another process keeps that
    core busy.
    """
    return 1 if flops < FLOPS_WORTH_THREADS else torch.get_num_threads()


def _train_epoch(run: Run, data: SubsetData, options: TrainingOptions) -> None:
    total = torch.zeros((), device=data.label_weights.device)
    run.network.train()
    with seeded(run.seed, "dropout", run.epoch):
        for batch in batches(len(data.train), options.batch_size, run.seed, run.epoch):
            total += _step(run, data, batch.to(data.label_weights.device))
    losses = mean_losses(run.network, data.tasks, data.validation)
    judged = data.validation.observed.any(dim=0).cpu().numpy()
    refuse_divergence(run.subset, run.epoch, total.item() + float(losses[judged].sum()))
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
