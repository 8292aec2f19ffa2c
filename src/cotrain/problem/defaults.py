"""Network and training when the user names none: one rule, from the size of the data."""

from __future__ import annotations

import math

from cotrain.problem.options import NetworkOptions, TrainingOptions

WIDTHS = (64, 128, 256)
STEPS = 15_000
"""Optimizer steps that the default number of epochs allows; too few make every partner look harmful."""
PATIENT_STEPS = 600
"""Steps without improvement that end a training."""


def default_network(features: int, rows: int, tasks: int) -> NetworkOptions:
    """Return one shared layer, wide enough for the data.

    Its width is the smallest of 64, 128 and 256 that reaches both ``sqrt(features * tasks)``, the geometric mean of
    what goes in and what comes out, and ``rows / 128``; 256 where none does.

    Parameters
    ----------
    features
        Input columns after encoding.
    rows
        Training rows.
    tasks
        Number of tasks.

    Examples
    --------
    >>> default_network(103, 1500, 14).hidden, default_network(1024, 4700, 12).hidden
    ((64,), (128,))
    """
    needed = max(math.sqrt(features * tasks), rows / 128)
    return NetworkOptions(hidden=(next((width for width in WIDTHS if width >= needed), WIDTHS[-1]),))


def default_training(rows: int) -> TrainingOptions:
    """Return training options for ``rows`` training rows.

    Batches are the largest power of two that leaves eight batches, between 16 and 128; epochs make about 15,000 steps,
    between 30 and 300; patience is about 600 steps, between 10 and 30 epochs. Joint networks need more steps than
    single ones: cut short, every partner looks harmful.

    Examples
    --------
    >>> [(options.batch_size, options.epochs) for options in map(default_training, (200, 1500, 100_000))]
    [(16, 300), (128, 300), (128, 30)]
    """
    batch = min(128, max(16, 2 ** int(math.log2(max(rows, 8) / 8))))
    steps = math.ceil(rows / batch)
    epochs = min(300, max(30, STEPS // steps))
    return TrainingOptions(batch_size=batch, epochs=epochs, patience=min(30, max(10, PATIENT_STEPS // steps)))
