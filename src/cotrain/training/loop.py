"""Trains one network: epochs of mini-batches until the validation loss stops falling."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from cotrain.cost import Cost
from cotrain.execution.threads import threads
from cotrain.problem.options import TrainingOptions
from cotrain.problem.rows import select
from cotrain.problem.task import Subset
from cotrain.seeding import seeded
from cotrain.training.checkpoint import State
from cotrain.training.evaluation import mean_losses
from cotrain.training.fit import Fit
from cotrain.training.flops import flops_per_row
from cotrain.training.history import History, refuse_divergence
from cotrain.training.optimizer import optimizer_state, restore_optimizer
from cotrain.training.subset_data import SubsetData, batches, steps_per_epoch
from cotrain.training.tensor_file import prefixed, unprefixed

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
    history
        Validation losses so far.
    seconds
        Spent so far.
    """

    subset: Subset
    seed: int
    network: nn.Module
    optimizer: Optimizer
    best: dict[str, Tensor] = field(default_factory=dict)
    history: History = field(default_factory=History)
    seconds: float = 0.0

    def state(self) -> State:
        """Return all it needs to go on as if it had never been interrupted."""
        parts = {
            "network.": self.network.state_dict(),
            "best.": self.best,
            "optimizer.": optimizer_state(self.optimizer),
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


def train(run: Run, data: SubsetData, options: TrainingOptions, after_epoch: Callable[[Run], object]) -> Fit:
    """Train until patience or epochs are used up, and return the network at its best validation loss.

    Raises
    ------
    DivergedError
        When a loss is not finite.
    """
    per_row = flops_per_row(run.network, data, options.batch_size)
    with threads(threads_for(per_row.step * options.batch_size)):
        while not run.history.finished(options):
            start = time.perf_counter()
            _train_epoch(run, data, options)
            run.seconds += time.perf_counter() - start
            after_epoch(run)
    run.network.load_state_dict(run.best)
    rows, judged = len(data.train), len(data.validation)
    steps = len(run.history) * steps_per_epoch(rows, options.batch_size)
    cost = Cost(len(run.history) * per_row.epoch(rows, judged), run.seconds, trainings=1)
    return fit_of(run.subset, run.seed, run.network, run.history, options, steps=steps, cost=cost)


def fit_of(
    subset: Subset,
    seed: int,
    network: nn.Module,
    history: History,
    options: TrainingOptions,
    *,
    steps: int,
    cost: Cost,
) -> Fit:
    """Put together what came of a training that is over."""
    return Fit(
        subset=subset,
        seed=seed,
        network=network.eval(),
        validation_loss=history.losses[history.best],
        curve=history.curve,
        steps=steps,
        converged=history.out_of_patience(options),
        cost=cost,
    )


def threads_for(flops: float) -> int:
    """Return how many threads a step of so many operations deserves.

    Handing small work to a second thread gains little, and costs a factor of ten where another process keeps that
    core busy.
    """
    return 1 if flops < FLOPS_WORTH_THREADS else torch.get_num_threads()


def _train_epoch(run: Run, data: SubsetData, options: TrainingOptions) -> None:
    total, epoch = torch.zeros((), device=data.label_weights.device), len(run.history)
    run.network.train()
    with seeded(run.seed, "dropout", epoch):
        for batch in batches(len(data.train), options.batch_size, run.seed, epoch):
            total += _step(run, data, batch.to(data.label_weights.device))
    losses = mean_losses(run.network, data.tasks, data.validation)
    judged = data.validation.observed.any(dim=0).cpu().numpy()
    refuse_divergence(run.subset, epoch, total.item(), *losses[judged])
    if run.history.add(losses):
        run.best = {name: value.clone() for name, value in run.network.state_dict().items()}


def _step(run: Run, data: SubsetData, batch: Tensor) -> Tensor:
    outputs = run.network(select(data.train.inputs, batch))
    loss = data.loss(outputs, data.train.targets[batch])
    run.optimizer.zero_grad()
    torch.autograd.backward(loss)
    run.optimizer.step()
    return loss.detach()
