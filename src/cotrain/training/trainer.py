"""Trains a network for any subset of a problem's tasks, and judges it on any split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from cotrain.problem.problem import Problem, Split
from cotrain.problem.task import Subset
from cotrain.seeding import seeded
from cotrain.training.checkpoint import Checkpoint
from cotrain.training.evaluation import Evaluation, evaluate
from cotrain.training.fit import Fit
from cotrain.training.ledger import Ledger
from cotrain.training.loop import Run, optimizer_of, train
from cotrain.training.progress import Progress, Silence
from cotrain.training.subset_data import SubsetData, trainable


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
    checkpoint_seconds
        Least time between two checkpoints of a training under way.

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
        checkpoint_seconds: float = 5.0,
    ) -> None:
        self.problem = problem
        self.folder = folder
        self.checkpoint_seconds = checkpoint_seconds
        self._ledger = None if folder is None else Ledger(folder, problem)
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
        run = self._start(trainable(self.problem, subset), seed)
        fit = self._recalled(run) or self._trained(run)
        self.progress.advance(f"trained {', '.join(fit.subset)} (seed {seed})")
        return fit

    def fit_many(self, jobs: Sequence[tuple[Subset, int]]) -> Iterator[Fit]:
        """Train one network per (subset, seed), in order."""
        return (self.fit(subset, seed=seed) for subset, seed in jobs)

    def evaluate(self, fit: Fit, split: Split) -> Evaluation:
        """Return mean losses and metrics of each task over its observed rows of ``split``."""
        rows = self.problem.rows_of(fit.subset, split).to(self.device)
        return evaluate(fit.network, self.problem.tasks_of(fit.subset), rows)

    def _start(self, subset: Subset, seed: int) -> Run:
        with seeded(seed, "network"):
            network = self.problem.build(self.problem.tasks_of(subset)).to(self.device)
        return Run(subset, seed, network, optimizer_of(network, self.problem.training))

    def _recalled(self, run: Run) -> Fit | None:
        return None if self._ledger is None else self._ledger.recall(run.subset, run.seed, run.network)

    def _trained(self, run: Run) -> Fit:
        data, options = SubsetData.of(self.problem, run.subset, self.device), self.problem.training
        if self._ledger is None:
            return train(run, data, options, lambda _: None)
        origin = self._ledger.origin(run.subset, run.seed, run.network)
        path = self._ledger.path("checkpoints", run.subset, run.seed)
        checkpoint = Checkpoint(path, origin, every=self.checkpoint_seconds)
        checkpoint.restore(run)
        fit = train(run, data, options, checkpoint.save_when_due)
        self._ledger.record(fit, origin)
        checkpoint.discard()
        return fit
