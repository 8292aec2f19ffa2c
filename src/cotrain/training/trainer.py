"""Trains a network for any subset of a problem's tasks, and judges it on any split."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch

from cotrain.cost import Cost
from cotrain.problem.problem import Problem, Split
from cotrain.problem.task import Subset
from cotrain.seeding import seeded
from cotrain.training.evaluation import Evaluation, evaluate
from cotrain.training.fit import Fit
from cotrain.training.flops import flops_per_row
from cotrain.training.loop import Run, best_epoch, finished, optimizer_of, out_of_patience, train_epoch
from cotrain.training.progress import Progress, Silence
from cotrain.training.subset_data import SubsetData


class Trainer:
    """Trains subsets of one problem.

    Parameters
    ----------
    problem
        What is learned.
    folder
        Where finished fits and checkpoints are kept; nothing is kept by default.
    device
        Where networks train; the CPU by default.
    progress
        Hears about every finished fit.

    Examples
    --------
    >>> from cotrain.models.mlp import SharedMLP
    >>> from cotrain.problem.options import NetworkOptions, TrainingOptions
    >>> from cotrain.problem.rows import Rows
    >>> from cotrain.problem.task import Task
    >>> inputs = torch.linspace(-1, 1, 40)[:, None]
    >>> rows = Rows(inputs, torch.cat([inputs, inputs.abs()], dim=1))
    >>> problem = Problem(
    ...     (Task("line", "regression"), Task("kink", "regression")),
    ...     {"train": rows, "validation": rows, "test": rows},
    ...     lambda tasks: SharedMLP(1, tasks, NetworkOptions()),
    ...     TrainingOptions(epochs=3),
    ... )
    >>> trainer = Trainer(problem)
    >>> fit = trainer.fit(("kink", "line"), seed=1)
    >>> fit.subset, fit.steps, fit.converged
    (('kink', 'line'), 3, False)
    >>> trainer.evaluate(fit, "test").subset
    ('kink', 'line')
    """

    def __init__(
        self,
        problem: Problem,
        *,
        folder: Path | None = None,
        device: torch.device | str = "cpu",
        progress: Progress | None = None,
    ) -> None:
        self.problem = problem
        self.folder = folder
        self.device = torch.device(device)
        self.progress: Progress = progress or Silence()

    def fit(self, subset: Subset, *, seed: int = 0) -> Fit:
        """Train one network on ``subset``; the same seed gives the same network.

        The loss is the mean over tasks of their mean losses over observed rows, whatever is missing. Training ends
        when the mean validation loss has not fallen for ``patience`` epochs, and the best weights are kept.

        Raises
        ------
        InputError
            When a task is unknown or has no training rows.
        DivergedError
            When a loss is not finite.
        """
        data = SubsetData.of(self.problem, subset, self.device)
        run = self._start(data, seed)
        per_row = flops_per_row(run.network, data, self.problem.training.batch_size)
        while not finished(run.losses, self.problem.training):
            start = time.perf_counter()
            train_epoch(run, data, self.problem.training)
            run.seconds += time.perf_counter() - start
        fit = self._finish(run, data, per_row)
        self.progress.advance(f"trained {', '.join(fit.subset)} (seed {seed})")
        return fit

    def evaluate(self, fit: Fit, split: Split) -> Evaluation:
        """Return mean losses and metrics of each task over its observed rows of ``split``."""
        rows = self.problem.rows_of(fit.subset, split).to(self.device)
        return evaluate(fit.network, self.problem.tasks_of(fit.subset), rows)

    def _start(self, data: SubsetData, seed: int) -> Run:
        with seeded(seed, "network"):
            network = self.problem.build(data.tasks).to(self.device)
        subset = tuple(task.name for task in data.tasks)
        return Run(subset, seed, network, optimizer_of(network, self.problem.training))

    def _finish(self, run: Run, data: SubsetData, per_row: tuple[float, float]) -> Fit:
        options = self.problem.training
        run.network.load_state_dict(run.best)
        trained, judged = len(data.train) * run.epoch, len(data.validation) * run.epoch
        return Fit(
            subset=run.subset,
            seed=run.seed,
            network=run.network.eval(),
            validation_loss=run.losses[best_epoch(run.losses)],
            curve=np.nanmean(run.losses, axis=1),
            steps=run.epoch * -(-len(data.train) // options.batch_size),
            converged=out_of_patience(run.losses, options),
            cost=Cost(per_row[0] * trained + per_row[1] * judged, run.seconds, trainings=1),
        )
