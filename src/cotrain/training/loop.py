"""Trains one network: epochs of mini-batches until the validation loss stops falling."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cotrain.cost import Cost
from cotrain.execution.threads import threads
from cotrain.problem.options import TrainingOptions
from cotrain.problem.rows import Rows
from cotrain.problem.task import Subset
from cotrain.seeding import seeded
from cotrain.training.callbacks import Audience, Callback
from cotrain.training.evaluation import mean_losses
from cotrain.training.fit import Fit
from cotrain.training.flops import flops_per_row
from cotrain.training.history import History, refuse_divergence
from cotrain.training.precision import descend, mixed
from cotrain.training.run import Run
from cotrain.training.schedule import advance
from cotrain.training.subset_data import SubsetData, batches, steps_per_epoch

FLOPS_WORTH_THREADS = 5e7


def train(run: Run, data: SubsetData, options: TrainingOptions, callbacks: Sequence[Callback] = ()) -> Fit:
    """Train until patience or epochs are used up, and return the network at its best validation loss.

    Parameters
    ----------
    run, data, options
        What is trained, on what and how.
    callbacks
        Hear of it. Its cost is that of the training alone.

    Raises
    ------
    DivergedError
        When a loss is not finite.
    """
    per_row = flops_per_row(run.network, data, options.batch_size, run.backward)
    audience = Audience(callbacks)
    with threads(threads_for(per_row.step * options.batch_size)):
        audience.before_training(run, data)
        while not run.history.finished(options):
            start = time.perf_counter()
            _train_epoch(run, data, options, audience)
            run.seconds += time.perf_counter() - start
            audience.after_epoch(run)
    run.network.load_state_dict(run.best)
    rows, judged = len(data.train), len(data.validation)
    steps = len(run.history) * steps_per_epoch(rows, options.batch_size)
    per_row = per_row._replace(step=per_row.step * run.backward.passes)
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


def _train_epoch(run: Run, data: SubsetData, options: TrainingOptions, audience: Audience) -> None:
    total, epoch = torch.zeros((), device=data.label_weights.device), len(run.history)
    run.network.train()
    with seeded(run.seed, "dropout", epoch):
        for number, index in enumerate(batches(len(data.train), options.batch_size, run.seed, epoch)):
            batch = data.train.take(index.to(data.label_weights.device))
            audience.before_step(run, data, batch, number)
            total += _step(run, data, batch, options)
    losses = mean_losses(run.network, data.tasks, data.validation)
    judged = data.validation.observed.any(dim=0).cpu().numpy()
    refuse_divergence(run.subset, epoch, total.item(), *losses[judged])
    if run.history.add(losses):
        run.best = {name: value.clone() for name, value in run.network.state_dict().items()}
    run.backward.end_epoch()
    advance(run.scheduler, run.history.curve[-1])


def _step(run: Run, data: SubsetData, batch: Rows, options: TrainingOptions) -> Tensor:
    run.optimizer.zero_grad()
    loss: Tensor = run.backward(mixed(run.network, options, run.scaler), data, batch)
    descend(run.optimizer, options, run.scaler)
    return loss
