"""Trainings cut short."""

from __future__ import annotations

from dataclasses import replace

from cotrain.training.trainer import Trainer


def shortened(trainer: Trainer, share: float) -> Trainer:
    """Return a trainer of the same problem that takes only a share of its epochs, at least one."""
    if share == 1.0:
        return trainer
    options = trainer.problem.training
    options = replace(options, epochs=max(round(options.epochs * share), 1))
    short = replace(trainer.problem, training=options)
    return Trainer(short, folder=trainer.folder, device=trainer.device, progress=trainer.progress)
