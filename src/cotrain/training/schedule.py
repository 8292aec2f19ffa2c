"""How the learning rate changes from epoch to epoch: torch's schedulers by name."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

from torch.optim import Optimizer
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    ExponentialLR,
    LRScheduler,
    MultiStepLR,
    ReduceLROnPlateau,
)

from cotrain.problem.options import TrainingOptions

LAST_OF_FIRST = 0.01
"""What an exponential schedule leaves of the learning rate at the last epoch."""
STEPS = (0.6, 0.8)
"""Where, as parts of all epochs, a step schedule divides the learning rate by ten."""


def scheduler_of(optimizer: Optimizer, options: TrainingOptions) -> LRScheduler | None:
    """Return the scheduler that ``options`` names, over as many epochs as they allow; None for a constant rate.

    ``"plateau"`` halves the rate after a third of ``patience`` without a better validation loss.
    """
    chosen, epochs = options.schedule, options.epochs
    if not isinstance(chosen, str):
        return chosen(optimizer)
    if chosen == "cosine":
        return CosineAnnealingLR(optimizer, T_max=epochs)
    if chosen == "exponential":
        return ExponentialLR(optimizer, gamma=LAST_OF_FIRST ** (1 / epochs))
    if chosen == "step":
        return MultiStepLR(optimizer, milestones=[max(1, round(part * epochs)) for part in STEPS], gamma=0.1)
    if chosen == "plateau":
        return ReduceLROnPlateau(optimizer, factor=0.5, patience=max(1, options.patience // 3))
    return None


def advance(scheduler: LRScheduler | None, loss: float) -> None:
    """Let the scheduler know that an epoch ended with a validation loss."""
    if isinstance(scheduler, ReduceLROnPlateau):
        scheduler.step(loss)
    elif scheduler is not None:
        scheduler.step()


def replay(scheduler: LRScheduler | None, losses: Iterable[float]) -> None:
    """Bring a fresh scheduler to where the validation losses of earlier epochs had brought it."""
    with warnings.catch_warnings():
        # A fresh optimizer has taken no step yet, which torch takes for a mistake.
        warnings.filterwarnings("ignore", message="Detected call of `lr_scheduler.step", category=UserWarning)
        for loss in losses:
            advance(scheduler, loss)
