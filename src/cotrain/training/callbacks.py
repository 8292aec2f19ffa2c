"""Hears of a training while it goes on: to watch it, to log it, to change the learning rate."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from cotrain.problem.rows import Rows
from cotrain.seeding import undisturbed
from cotrain.training.run import Run
from cotrain.training.subset_data import SubsetData


@dataclass(frozen=True, eq=False)
class Step:
    """An optimizer step about to be taken.

    Parameters
    ----------
    run
        The training: its network (in train mode), optimizer and validation losses so far.
    data
        All rows of the training, its tasks and how their losses are weighted.
    batch
        The rows of this step, with a column of targets for every task of the training.
    number
        Steps taken in this epoch before.
    """

    run: Run
    data: SubsetData
    batch: Rows
    number: int


class Callback:
    """Hears of one training. Override what you care about; everything else does nothing.

    Callbacks are called in the order given, and whatever random numbers they draw, the training draws its own. One that
    only looks must leave network and optimizer as they are: in train mode a plain forward pass already moves the
    running statistics of batch normalisation.

    Examples
    --------
    >>> class Halve(Callback):
    ...     def after_epoch(self, run: Run) -> None:
    ...         for group in run.optimizer.param_groups:
    ...             group["lr"] /= 2
    """

    def before_training(self, run: Run, data: SubsetData) -> None:
        """Hear that a training is about to begin, or to go on from a checkpoint."""

    def before_step(self, step: Step) -> None:
        """Hear that a step is about to be taken."""

    def after_epoch(self, run: Run) -> None:
        """Hear that an epoch is over and its validation losses are known; the network is in eval mode."""


class Audience:
    """All callbacks of one training. Their random numbers and their time are not the training's.

    Parameters
    ----------
    callbacks
        Told in this order.
    """

    def __init__(self, callbacks: Sequence[Callback]) -> None:
        self._callbacks = callbacks
        self._of_steps = [each for each in callbacks if type(each).before_step is not Callback.before_step]

    def before_training(self, run: Run, data: SubsetData) -> None:
        """Tell that training begins."""
        with undisturbed():
            for callback in self._callbacks:
                callback.before_training(run, data)

    def before_step(self, run: Run, data: SubsetData, batch: Rows, number: int) -> None:
        """Tell of a step those that care about steps."""
        if not self._of_steps:
            return
        start = time.perf_counter()
        for callback in self._of_steps:
            with undisturbed():
                callback.before_step(Step(run, data, batch, number))
        run.seconds -= time.perf_counter() - start

    def after_epoch(self, run: Run) -> None:
        """Tell that an epoch is over."""
        with undisturbed():
            for callback in self._callbacks:
                callback.after_epoch(run)
