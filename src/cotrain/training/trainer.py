"""Trains a network for any subset of a problem's tasks, and judges it on any split."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import nn

from cotrain.execution.executor import Executor
from cotrain.problem.problem import Problem, Split
from cotrain.problem.task import Subset
from cotrain.seeding import seeded
from cotrain.training.balancing.choice import backward_of
from cotrain.training.callbacks import Callback
from cotrain.training.checkpoint import Checkpoint, Stage, complete
from cotrain.training.ensemble_plan import EnsemblePlan, plan_ensembles
from cotrain.training.evaluation import Evaluation, evaluate
from cotrain.training.fit import Fit
from cotrain.training.ledger import Ledger
from cotrain.training.loop import train
from cotrain.training.progress import Progress, Silence
from cotrain.training.run import Run
from cotrain.training.subset_data import SubsetData, trainable
from cotrain.training.untrained import Job, untrained


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
    executor
        Where networks train that are too large or too unlike one another for an ensemble; this process by default.
    watchers
        Callbacks that hear of every training and must leave it as it is, such as
        :class:`~cotrain.training.writers.TensorBoardWriter`. With them, networks train one by one, in this process.

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
        executor: Executor | None = None,
        watchers: Sequence[Callback] = (),
    ) -> None:
        self.problem = problem
        self.folder = folder
        self.checkpoint_seconds = checkpoint_seconds
        self.executor = executor
        self.watchers = tuple(watchers)
        self._ledger = None if folder is None else Ledger(folder, problem)
        self.device = torch.device(device)
        self.progress: Progress = progress or Silence()

    def fit(self, subset: Subset, *, seed: int = 0, callbacks: Sequence[Callback] = ()) -> Fit:
        """Train one network on ``subset``; the same seed gives the same network.

        The loss is the mean over tasks of their mean losses over observed rows, whatever is missing. Training ends
        when the mean validation loss has not fallen for ``patience`` epochs, and the best weights are kept.

        Parameters
        ----------
        subset
            The tasks.
        seed
            Of everything random in the training.
        callbacks
            Hear of this very training. It is neither recalled nor kept: callbacks must hear all of it, and may
            change it.

        Raises
        ------
        InputError
            When a task is unknown or has no training rows.
        DivergedError
            When a loss is not finite.
        """
        job = trainable(self.problem, subset), seed
        network = untrained(self.problem, job, self.device)
        if callbacks:
            return self._told(self._train(self._run(job, network), callbacks))
        return self.finish(job, network, lambda: self._run(job, network))

    def fit_many(self, jobs: Iterable[Job]) -> Iterator[Fit]:
        """Train one network for each (subset, seed) and return the fits in order.

        Small networks train many at once, as one ensemble with stacked weights. Each has its own batches, optimizer
        state and early stopping, so that the results are those of :meth:`fit` up to rounding.

        Raises
        ------
        InputError
            When a job cannot be trained, before any is.
        DivergedError
            When a loss is not finite.
        """
        checked = [(trainable(self.problem, subset), seed) for subset, seed in jobs]
        plan = None if self.watchers else plan_ensembles(self.problem, checked, self.device)
        if plan is None and self.executor is not None and not self.watchers:
            yield from self._fit_elsewhere(self.executor, checked)
        elif plan is None:
            yield from (self.fit(subset, seed=seed) for subset, seed in checked)
        else:
            for chunk in plan.chunks(checked):
                fits = self._fit_together(plan, chunk)
                yield from (fits[job] for job in chunk)

    def finish(self, job: Job, network: nn.Module, begin: Callable[[], Run], *, method: str = "") -> Fit:
        """Recall a training, or begin it (or go on where it was interrupted) and end it.

        Parameters
        ----------
        job
            Its subset and seed, known to be trainable.
        network
            What ``begin`` trains, as it is before.
        begin
            Prepares the training.
        method
            How it trains, with all its parameters, where that is not how :meth:`fit` does.
        """
        return self._told(self._recalled(job, network, method) or self._trained(job, network, begin, method))

    def complete(self, stage: Stage, job: Job, network: nn.Module, *, method: str) -> None:
        """Train a stage of a training to its end; in a folder, its last state is kept and recalled.

        Parameters
        ----------
        stage
            As it is at its beginning.
        job, network, method
            As in :meth:`finish`.
        """
        complete(stage, self._checkpoint(job, network, method))

    def evaluate(self, fit: Fit, split: Split) -> Evaluation:
        """Return mean losses and metrics of each task over its observed rows of ``split``."""
        rows = self.problem.rows_of(fit.subset, split).to(self.device)
        return evaluate(fit.network, self.problem.tasks_of(fit.subset), rows)

    def _recalled(self, job: Job, network: nn.Module, method: str = "") -> Fit | None:
        return None if self._ledger is None else self._ledger.recall(*job, network, method=method)

    def _trained(self, job: Job, network: nn.Module, begin: Callable[[], Run], method: str) -> Fit:
        if self._ledger is None:
            return self._train(begin())
        origin = self._ledger.origin(*job, network)
        checkpoint = self._ledger.checkpoint([job], network, every=self.checkpoint_seconds, method=method)
        run = begin()
        if (state := checkpoint.load()) is not None:
            run.restore(state)
        fit = self._train(run, [_Keep(checkpoint)] if run.backward.resumable else ())
        self._ledger.record(fit, origin, method=method)
        checkpoint.discard()
        return fit

    def _checkpoint(self, job: Job, network: nn.Module, method: str) -> Checkpoint | None:
        if self._ledger is None:
            return None
        return self._ledger.checkpoint([job], network, every=self.checkpoint_seconds, method=method)

    def _run(self, job: Job, network: nn.Module) -> Run:
        options = self.problem.training
        with seeded(job[1], "balancing"):
            backward = backward_of(network, self._data(job[0]), options)
        return Run.of(job, network, options, backward)

    def _train(self, run: Run, callbacks: Sequence[Callback] = ()) -> Fit:
        return train(run, self._data(run.subset), self.problem.training, [*callbacks, *self.watchers])

    def _data(self, subset: Subset) -> SubsetData:
        return SubsetData.of(self.problem, subset, self.device)

    def _fit_elsewhere(self, executor: Executor, jobs: Sequence[Job]) -> Iterator[Fit]:
        """Train where the executor says; fits come back through files."""
        with TemporaryDirectory() as temporary:
            folder = self.folder or Path(temporary)
            trainer = Trainer(
                self.problem, folder=folder, device=self.device, checkpoint_seconds=self.checkpoint_seconds
            )
            left = [job for job in jobs if trainer._recalled(job, untrained(self.problem, job, self.device)) is None]
            for number, _ in executor.map(_fit_and_keep, trainer, left):
                subset, seed = left[number]
                self.progress.advance(f"trained {', '.join(subset)} (seed {seed})")
            yield from (trainer.fit(subset, seed=seed) for subset, seed in jobs)

    def _fit_together(self, plan: EnsemblePlan, jobs: Sequence[Job]) -> dict[Job, Fit]:
        networks = {job: untrained(self.problem, job, self.device) for job in jobs}
        if self._ledger is None:
            return {(fit.subset, fit.seed): self._told(fit) for fit in plan.ensemble(networks).run(lambda _: None)}
        origins = {job: self._ledger.origin(*job, network) for job, network in networks.items()}
        fits = {}
        for job, network in networks.items():
            if (fit := self._ledger.recall(*job, network)) is not None:
                fits[job] = self._told(fit)
        for fit in self._finish_together(self._ledger, plan, networks, fits.keys()):
            job = fit.subset, fit.seed
            if job not in fits:
                self._ledger.record(fit, origins[job])
                fits[job] = self._told(fit)
        return fits

    def _finish_together(
        self, ledger: Ledger, plan: EnsemblePlan, networks: Mapping[Job, nn.Module], finished: Collection[Job]
    ) -> Iterator[Fit]:
        """Train what is not finished, as one ensemble: where one was interrupted, the very same goes on first.

        Rounding depends on who trains together. Going on with the same members, those included that were recorded
        after the checkpoint was written, gives the numbers of a run that was never interrupted.
        """
        checkpoint = ledger.checkpoint(list(networks), plan.layout.network, every=self.checkpoint_seconds)
        state = checkpoint.load()
        if state is not None:
            members = [(tuple(subset), seed) for subset, seed in state[0]["members"]]
            ensemble = plan.ensemble({job: networks[job] for job in members})
            ensemble.restore(state)
            yield from ensemble.run(checkpoint.save_when_due)
        left = {job: network for job, network in networks.items() if job not in finished}
        if left:
            ensemble = plan.ensemble(left)
            checkpoint.save(ensemble)
            yield from ensemble.run(checkpoint.save_when_due)
        checkpoint.discard()

    def _told(self, fit: Fit) -> Fit:
        self.progress.advance(f"trained {', '.join(fit.subset)} (seed {fit.seed})")
        return fit


class _Keep(Callback):
    """Writes a checkpoint after an epoch when one is due."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint

    def after_epoch(self, run: Run) -> None:
        self._checkpoint.save_when_due(run)


def _fit_and_keep(trainer: Trainer, job: Job) -> None:
    """Train in a worker: the fit stays in the trainer's folder."""
    subset, seed = job
    trainer.fit(subset, seed=seed)
