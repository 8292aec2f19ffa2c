"""Trainings cut short."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cotrain.training.trainer import Trainer


def shortened(trainer: Trainer, share: float) -> Trainer:
    """Return a trainer of the same problem that takes only a share of its epochs, at least one."""
    return _with(trainer, epochs=max(round(trainer.problem.training.epochs * share), 1))


def impatient(trainer: Trainer, patience: int) -> Trainer:
    """Return a trainer of the same problem that stops after ``patience`` epochs without a better validation loss."""
    return _with(trainer, patience=patience)


def _with(trainer: Trainer, **changes: Any) -> Trainer:
    options = replace(trainer.problem.training, **changes)
    if options == trainer.problem.training:
        return trainer
    return Trainer(
        replace(trainer.problem, training=options), folder=trainer.folder, device=trainer.device,
        progress=trainer.progress, checkpoint_seconds=trainer.checkpoint_seconds, executor=trainer.executor,
    )  # fmt: skip
