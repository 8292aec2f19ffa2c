"""Thousands of ridge and logistic fits over task subsets, sharing one set of task statistics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from cotrain import checks
from cotrain.affinity.linear.corrective_steps import minimise, newton_step
from cotrain.affinity.linear.subset_objective import Point, SubsetObjective
from cotrain.affinity.linear.task_statistics import TaskStatistics, task_statistics
from cotrain.errors import InputError, SolverError
from cotrain.gradients.task_gradients import TaskGradients

TaskWeights: TypeAlias = Mapping[str, float] | Literal["rows"] | None
"""Weights of the tasks' mean losses: by name, every row alike (``"rows"``), or every task alike (``None``)."""

_FACTOR_VALUES = 1 << 24
"""Most values of the Cholesky factors held at once (64 MiB of float32)."""
_COMMON_CORRECTIONS = 1
"""Corrections of the common point; it need not be exact, only near."""


@dataclass(frozen=True, eq=False)
class SubsetFits:
    """Fits of the linearised model, one per subset.

    Parameters
    ----------
    coefficients
        ``(m, d)``: the step from the base model in the coordinates of the basis.
    ridge
        The penalty is ``ridge / 2 * |w| ** 2``.
    assess
        Looks at the rows for what the coefficients achieve, when that is first asked for.
    """

    coefficients: Tensor
    ridge: float
    assess: Callable[[], list[Point]]

    @cached_property
    def _points(self) -> list[Point]:
        return self.assess()

    @property
    def gradient_norm(self) -> Tensor:
        """``(m,)``: norm of the objective's gradient; the distance to the optimum is at most this over ``ridge``."""
        return torch.cat([point.gradient.norm(dim=1) for point in self._points])

    @property
    def training_loss(self) -> Tensor:
        """``(m, tasks)``: mean loss of each task of the subset on the rows of the fit; NaN for other tasks."""
        return torch.cat([point.task_loss for point in self._points])


def fit_subsets(
    gradients: Mapping[str, TaskGradients],
    mask: Tensor,
    *,
    strength: float,
    corrections: int = 2,
    weights: TaskWeights = None,
    statistics: TaskStatistics | None = None,
) -> SubsetFits:
    r"""Fit the linearised model to every subset of tasks.

    For each subset S, without intercept and with the base model's offsets kept, minimise over w

    .. math:: \sum_{i \in S} \frac{a_i}{\sum_{j \in S} a_j} \frac{1}{n_i} \sum_{s=1}^{n_i} \ell_i(b_s + g_s^T w)
              + \frac{\rho}{2} |w|^2

    with ``l(u) = log(1 + exp(-u))`` for logistic and ``u ** 2`` for square tasks. Every subset takes a Newton step from
    one common point, where its Hessian is a sum of task statistics: the base model with ``corrections=0``, else the
    optimum of all tasks together. Corrective steps are L-BFGS with that Hessian's inverse as initial metric, and a step
    that does not lower the objective is shortened. Subsets of square tasks are exact with ``corrections=0``.

    Cost: ``4 * rows * d ** 2`` operations for the statistics and one Cholesky factorisation ``d ** 3 / 3`` per subset;
    each correction, and the certificate, ``4 * d`` operations per row of the subset. With ``corrections=0`` nothing but
    the statistics depends on the rows.

    Parameters
    ----------
    gradients
        Training rows by task name.
    mask
        Boolean ``(m, tasks)`` over ``tuple(gradients)``: the tasks of each subset. An empty subset gives ``w = 0``.
    strength
        Ridge strength relative to the curvature: the penalty is ``strength`` times the mean eigenvalue ``tr(H) / d`` of
        the Hessian of all tasks at the base model. It is the same for every subset, so that all may move equally far.
    corrections
        Corrective steps after the Newton step.
    weights
        Weight of each task's mean loss by name; ``"rows"`` lets every row count alike; by default every task does.
    statistics
        What :func:`task_statistics` returned for the same gradients, to share between calls; then every subset starts
        at their point.

    Returns
    -------
    SubsetFits
        Coefficients, with the norm of the gradient as a certificate.

    Raises
    ------
    InputError
        When an argument does not fit the others, or rows are not finite.

    Examples
    --------
    >>> rows = TaskGradients(torch.tensor([[1.0], [1.0]]), torch.tensor([1.0, 3.0]), torch.arange(2), "square")
    >>> fits = fit_subsets({"a": rows}, torch.tensor([[True], [False]]), strength=1e-6, corrections=0)
    >>> fits.coefficients.round(decimals=3).tolist()
    [[-2.0], [0.0]]
    """
    _check(gradients, mask, strength, corrections, statistics)
    shared = task_statistics(gradients) if statistics is None else statistics
    objective = _objective(gradients, shared, mask, strength, weights)
    if corrections and statistics is None:
        everyone = _objective(gradients, shared, mask.new_ones(1, mask.shape[1]), strength, weights)
        common = _fit_chunk(everyone, _COMMON_CORRECTIONS).coefficients[0]
        objective = replace(objective, statistics=task_statistics(gradients, at=common, dtype=shared.at.dtype))
    size = max(1, _FACTOR_VALUES // shared.hessian[0].numel())
    starts = range(0, max(1, len(mask)), size)
    fits = [_fit_chunk(objective.chunk(slice(start, start + size)), corrections) for start in starts]
    coefficients = torch.cat([chunk.coefficients for chunk in fits]).to(shared.at)
    return SubsetFits(coefficients, objective.ridge, lambda: [point for chunk in fits for point in chunk.assess()])


def _fit_chunk(objective: SubsetObjective, corrections: int) -> SubsetFits:
    """Fit in the precision of the statistics; where that does not suffice, in float64."""
    try:
        if corrections:
            point = minimise(objective, corrections)
            return SubsetFits(point.coefficients, objective.ridge, lambda: [point])
        step = newton_step(objective)
        return SubsetFits(step, objective.ridge, lambda: [objective.at(step)])
    except SolverError:
        if objective.statistics.at.dtype == torch.float64:
            raise
        return _fit_chunk(objective.in_float64(), corrections)


def _objective(
    gradients: Mapping[str, TaskGradients],
    statistics: TaskStatistics,
    mask: Tensor,
    strength: float,
    weights: TaskWeights,
) -> SubsetObjective:
    weight = _task_weights(statistics, weights)
    mask = mask.to(weight.device)
    share = torch.nn.functional.normalize(mask * weight, p=1, dim=1)
    curvature = statistics.spread / len(statistics.at) / statistics.rows.clamp(min=1)
    scale = float(curvature @ weight / weight.sum())
    return SubsetObjective(gradients, statistics, mask, share, strength * (scale or 1.0))


def _task_weights(statistics: TaskStatistics, weights: TaskWeights) -> Tensor:
    """Return ``(tasks,)``; a task without rows has no weight."""
    rows = statistics.rows
    if weights is None:
        return (rows > 0).to(rows.dtype)
    if weights == "rows":
        return rows
    if isinstance(weights, str) or sorted(weights) != sorted(statistics.tasks) or min(weights.values()) <= 0:
        raise InputError(
            f"`weights` must be 'rows' or a positive number for each of {list(statistics.tasks)}. Found {weights!r}."
        )
    return rows.new_tensor([weights[name] for name in statistics.tasks]) * (rows > 0)


def _check(
    gradients: Mapping[str, TaskGradients],
    mask: Tensor,
    strength: float,
    corrections: int,
    statistics: TaskStatistics | None,
) -> None:
    if not any(len(task) for task in gradients.values()):
        raise InputError(f"`gradients` must hold rows of at least one task. Found none in {list(gradients)}.")
    if mask.dtype != torch.bool or mask.dim() != 2 or mask.shape[1] != len(gradients):
        raise InputError(
            f"`mask` must be boolean with shape (subsets, {len(gradients)}), one column per task. "
            f"Found {mask.dtype} with shape {tuple(mask.shape)}."
        )
    if not 0 < strength < float("inf"):
        raise InputError(f"`strength` must be positive and finite. Found {strength}.")
    checks.at_least("corrections", corrections, 0)
    if statistics is not None and statistics.tasks != tuple(gradients):
        raise InputError(f"`statistics` must be of the tasks {list(gradients)}. Found {list(statistics.tasks)}.")
