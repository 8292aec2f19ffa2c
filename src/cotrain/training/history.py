"""Validation losses epoch by epoch, and what follows from them: the best epoch and when to stop."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from cotrain.errors import DivergedError
from cotrain.problem.options import TrainingOptions
from cotrain.problem.task import Subset


class History:
    """Validation losses of each task after each epoch; NaN for a task without validation rows.

    Parameters
    ----------
    epochs
        Of an earlier part of the same training.

    Examples
    --------
    >>> history = History()
    >>> [history.add(np.array(losses)) for losses in ([1.0, 3.0], [1.0, np.nan], [2.0, 1.0])]
    [True, True, False]
    >>> history.best, history.curve.tolist()
    (1, [2.0, 1.0, 1.5])
    """

    def __init__(self, epochs: Iterable[NDArray[np.float64]] = ()) -> None:
        self.losses: list[NDArray[np.float64]] = []
        self.best = -1
        self._means: list[float] = []
        for losses in epochs:
            self.add(losses)

    def __len__(self) -> int:
        return len(self.losses)

    @property
    def curve(self) -> NDArray[np.float64]:
        """``(epochs,)``: mean over tasks."""
        return np.array(self._means)

    def add(self, losses: NDArray[np.float64]) -> bool:
        """Add an epoch; return whether it is better than all before."""
        self.losses.append(losses)
        self._means.append(float(losses[~np.isnan(losses)].mean()))
        better = self.best < 0 or self._means[-1] < self._means[self.best]
        if better:
            self.best = len(self) - 1
        return better

    def out_of_patience(self, options: TrainingOptions) -> bool:
        """Return whether the last ``patience`` epochs brought nothing better."""
        return len(self) - 1 - self.best >= options.patience

    def finished(self, options: TrainingOptions) -> bool:
        """Return whether training is over: epochs or patience used up."""
        return len(self) > 0 and (len(self) >= options.epochs or self.out_of_patience(options))


def refuse_divergence(subset: Subset, epoch: int, *losses: float) -> None:
    """Refuse to go on with a loss that is not finite."""
    if not np.isfinite(losses).all():
        raise DivergedError(
            f"Training on {', '.join(subset)} diverged: the loss is not finite in epoch {epoch + 1}. "
            "Lower `learning_rate` or look for extreme values in the inputs."
        )
