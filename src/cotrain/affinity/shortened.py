"""Trainings cut short."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cotrain.training.trainer import Trainer


def shortened(trainer: Trainer, share: float) -> Trainer:
    """Return a trainer of the same problem that takes only a share of its epochs, at least one."""
    epochs = max(round(trainer.problem.training.epochs * share), 1)
    return _with(trainer, f"epochs-{epochs}", epochs=epochs)


def impatient(trainer: Trainer, patience: int) -> Trainer:
    """Return a trainer of the same problem that stops after ``patience`` epochs without a better validation loss."""
    return _with(trainer, f"patience-{patience}", patience=patience)


def _with(trainer: Trainer, label: str, **changes: Any) -> Trainer:
    """Return a trainer with other options; where fits are kept, its fits are kept in the folder ``label`` there."""
    options = replace(trainer.problem.training, **changes)
    if options == trainer.problem.training:
        return trainer
    return Trainer(
        replace(trainer.problem, training=options), folder=trainer.folder and trainer.folder / label,
        device=trainer.device, progress=trainer.progress, checkpoint_seconds=trainer.checkpoint_seconds,
        executor=trainer.executor,
    )  # fmt: skip
