"""Newton's first step and L-BFGS corrections, for many subsets at once."""

from __future__ import annotations

import torch
from torch import Tensor

from cotrain.affinity.linear.subset_objective import Point, SubsetObjective

_HISTORY = 5
_SHRINK = 0.25
_NOISE = 64.0
"""Differences of the objective below this many rounding units are noise: there the gradient tells what is better."""


def newton_step(objective: SubsetObjective) -> Tensor:
    """Return where one Newton step from the point of the statistics takes every subset, ``(m, d)``."""
    start = objective.start()
    return start.coefficients - _solve(objective.factor(), start.gradient)


def minimise(objective: SubsetObjective, corrections: int) -> Point:
    """Return the best point found by a Newton step from the point of the statistics and some L-BFGS corrections.

    The inverse Hessian at that point is the initial metric. A step that raises a subset's objective is not taken; a
    quarter of it is tried next.
    """
    factor = objective.factor()
    point = objective.start()
    step = -_solve(factor, point.gradient)
    history: list[tuple[Tensor, Tensor]] = []
    for remaining in range(corrections, -1, -1):
        trial = objective.at(point.coefficients + step)
        better = _better(trial, point)
        taken = better[:, None]
        history.append((step * taken, (trial.gradient - point.gradient) * taken))
        point = point.replaced_where(better, trial)
        if remaining:
            step = torch.where(taken, -_lbfgs_product(history[-_HISTORY:], factor, point.gradient), _SHRINK * step)
    return point


def _solve(factor: Tensor, right: Tensor) -> Tensor:
    return torch.cholesky_solve(right[:, :, None], factor).squeeze(2)


def _better(trial: Point, point: Point) -> Tensor:
    """Return where the objective is lower or, as far as rounding lets it tell, the same with a smaller gradient."""
    noise = _NOISE * torch.finfo(point.value.dtype).eps * point.value.abs()
    flatter = trial.gradient.square().sum(dim=1) <= point.gradient.square().sum(dim=1)
    better: Tensor = (trial.value < point.value - noise) | ((trial.value <= point.value + noise) & flatter)
    return better


def _lbfgs_product(history: list[tuple[Tensor, Tensor]], factor: Tensor, gradient: Tensor) -> Tensor:
    """Apply the two-loop recursion; pairs of no length (steps not taken) have no influence."""
    pairs = [(step, change, _reciprocal((step * change).sum(dim=1, keepdim=True))) for step, change in history]
    direction, scales = gradient, []
    for step, change, reciprocal in reversed(pairs):
        scales.append(reciprocal * (step * direction).sum(dim=1, keepdim=True))
        direction = direction - scales[-1] * change
    direction = _solve(factor, direction)
    for (step, change, reciprocal), scale in zip(pairs, reversed(scales), strict=True):
        direction = direction + step * (scale - reciprocal * (change * direction).sum(dim=1, keepdim=True))
    return direction


def _reciprocal(curvature: Tensor) -> Tensor:
    return torch.where(curvature > 0, 1 / curvature.clamp(min=torch.finfo(curvature.dtype).tiny), 0.0)
