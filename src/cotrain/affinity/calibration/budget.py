"""How many subsets are measured for a tenth of the cost of all pairs, and how patiently."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cotrain.affinity.calibration.active_design import first_subsets, largest
from cotrain.affinity.calibration.measuring import Measurements
from cotrain.affinity.design import singles_and_all
from cotrain.problem.options import TrainingOptions
from cotrain.problem.problem import Problem

Curve = NDArray[np.float64]
_SHARE = 0.68
"""Of the operations of every task alone and every pair, each once: under a tenth of eight times."""
_OBSERVATIONS = 5000
"""Losses, on two halves of the rows, that a process learns from in seconds."""
_NEARLY_ALL = 0.9
_NEARLY_SAME = 0.005


def enough_patience(curves: Sequence[Curve], options: TrainingOptions) -> int:
    """Return how little patience would have kept about the same networks.

    Most epochs of a training often show only that nothing better comes. The answer is the least patience with which
    nine in ten trainings keep a network within half a percent of their best loss, and one epoch more.

    Parameters
    ----------
    curves
        Validation losses after each epoch of trainings as patient as ``options``.
    options
        Of the training. Where a plateau lowers the learning rate, patience is not only waiting and stays.

    Examples
    --------
    >>> smooth, rough = np.array([3.0, 2.0, 1.0, *[1.5] * 10]), np.array([3.0, 2.0, 2.5, 2.5, 2.5, 1.0, *[1.5] * 10])
    >>> enough_patience([smooth], TrainingOptions(patience=10)), enough_patience([rough], TrainingOptions(patience=10))
    (2, 5)
    """
    if options.schedule == "plateau":
        return options.patience
    for patience in range(1, options.patience - 1):
        kept = np.array([curve[: _length(curve, patience)].min() - curve.min() for curve in curves])
        best = np.array([abs(curve.min()) for curve in curves])
        if np.mean(kept <= _NEARLY_SAME * best) >= _NEARLY_ALL:
            return patience + 1
    return options.patience


def affordable_trainings(problem: Problem, measured: Measurements, patience: int, *, rounds: int) -> int:
    """Return how many subsets may be trained in the next of so many ``rounds``.

    All rounds and what is measured before take under a tenth of the operations of every task and every pair with eight
    seeds. They are at least ten trainings more than tasks, at most ten per task, and no more than a process learns
    from in seconds.

    Parameters
    ----------
    problem
        With at least three tasks.
    measured
        Every task alone and all together, as patient as the problem says; then what earlier rounds trained.
    patience
        Of the trainings to come.
    rounds
        That are left, the next one among them.
    """
    tasks, trained = len(problem.names), len(measured.flops)
    pairs = _price_of_row(problem, measured, 2.0) * _rows_of_pairs(problem)
    left = _SHARE * (sum(measured.flops[:tasks]) + pairs) - sum(measured.flops)
    if trained > tasks + 1:
        price = float(np.mean(measured.flops[tasks + 1 :]))
    else:
        first = first_subsets(problem.names, tasks, 0)
        patient = _price_of_row(problem, measured, float(first.sum(axis=1).mean()))
        price = patient * _shortening(measured.curves, patience) * float(training_rows(problem, first).mean())
    within = left / price if price else 0.0
    most = min(10 * tasks, tasks + _OBSERVATIONS / (2 + largest(tasks)))
    return round(min(max(within, tasks + 10 - trained), most - trained) / rounds)


def _price_of_row(problem: Problem, measured: Measurements, size: float) -> float:
    """Return the operations per row that patient trainings of ``size`` tasks take, between one task and all.

    Every head adds to what a row takes in an epoch; epochs change with the logarithm of the number of tasks.
    """
    tasks = len(problem.names)
    rows = training_rows(problem, singles_and_all(tasks))
    epochs = np.array([len(curve) for curve in measured.curves[: tasks + 1]])
    work = np.array(measured.flops[: tasks + 1]) / epochs / rows
    linear, logarithmic = (size - 1) / (tasks - 1), np.log(size) / np.log(tasks)
    in_an_epoch = work[:-1].mean() * (1.0 - linear) + work[-1] * linear
    return float(
        in_an_epoch * np.average(epochs[:-1], weights=rows[:-1]) ** (1.0 - logarithmic) * epochs[-1] ** logarithmic
    )


def training_rows(problem: Problem, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return how many training rows each subset has."""
    observed = problem.splits["train"].observed.cpu().numpy()
    return np.array([observed[:, row].any(axis=1).sum() for row in mask], dtype=np.float64)


def _rows_of_pairs(problem: Problem) -> float:
    """Return how many rows all pairs together have."""
    observed = problem.splits["train"].observed.cpu().numpy().astype(np.float64)
    common = observed.T @ observed
    own = common.diagonal()
    return float((own[:, None] + own - common)[np.triu_indices(len(own), 1)].sum())


def _shortening(curves: Sequence[Curve], patience: int) -> float:
    """Return the share of the epochs of patient trainings that less patient ones take."""
    return sum(_length(curve, patience) for curve in curves) / sum(map(len, curves))


def _length(curve: Curve, patience: int) -> int:
    """Return how many epochs a training takes that waits ``patience`` epochs for a better loss."""
    waited = np.arange(len(curve)) - _last_better(curve)
    over = np.flatnonzero(waited >= patience)
    return int(over[0]) + 1 if len(over) else len(curve)


def _last_better(curve: Curve) -> NDArray[np.int64]:
    """Return for every epoch the last one until then that was better than all before it."""
    before = np.minimum.accumulate(np.concatenate([[np.inf], curve[:-1]]))
    better = np.where(curve < before, np.arange(len(curve)), 0)
    last: NDArray[np.int64] = np.maximum.accumulate(better)
    return last
