"""How the one-step fit of the linearised network answers when another task gains weight in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from cotrain.affinity.linear.linear_rows import losses_and_gradients, row_blocks, row_curvature, row_slope
from cotrain.affinity.linear.task_statistics import TaskStatistics, task_statistics
from cotrain.errors import SolverError
from cotrain.gradients.task_gradients import TaskGradients

Around: TypeAlias = Literal["alone", "all"]


@dataclass(frozen=True, eq=False)
class OneStep:
    r"""The Newton step :math:`w(a) = -H(a)^{-1} q(a)` from the base model, as a function of task weights ``a``.

    With :math:`q(a) = \sum_i a_i q_i / \sum_i a_i`, the mean of the tasks' mean loss gradients at the base, and
    :math:`H(a)` the mean of their Gauss-Newton Hessians plus ``ridge``. Moving weight from the tasks at hand to task
    ``i`` moves the step by :math:`-H^{-1} (r_i - r)`, where :math:`r_i = q_i + H_i w` is the task's gradient after the
    step and ``r`` the weighted mean of all.

    Parameters
    ----------
    train, validation
        Rows by task.
    statistics
        Of the training rows at the base model.
    ridge
        Added to the Hessian's diagonal.
    """

    train: Mapping[str, TaskGradients]
    validation: Mapping[str, TaskGradients]
    statistics: TaskStatistics
    ridge: float

    @classmethod
    def of(
        cls, train: Mapping[str, TaskGradients], validation: Mapping[str, TaskGradients], *, strength: float
    ) -> OneStep:
        """Take statistics; ``strength`` is the ridge relative to the mean curvature of all tasks."""
        statistics = task_statistics(train, dtype=torch.float64)
        curvature = statistics.spread / statistics.rows / len(statistics.at)
        return cls(train, validation, statistics, strength * (float(curvature.mean()) or 1.0))

    def influences(self, around: Around) -> Tensor:
        """Return ``(tasks, tasks)``: minus the derivative of each row's task's log validation loss by a source's share.

        Cost: one factorisation of a ``d x d`` matrix per target (``around="alone"``) or in all (``"all"``).
        """
        return torch.stack([self._influences_on(name, around) for name in self.statistics.tasks])

    def row_influences(self, source: str, target: str, around: Around) -> Tensor:
        """Return how each training row of ``source`` contributes to its influence on ``target``; they add up to it."""
        weights, step, answer = self._answer(target, around)
        rows = self.train[source]
        pulls = [
            (row_slope(rows.loss, offset) + row_curvature(rows.loss, offset) * (features @ step)) * (features @ answer)
            for features, offset in row_blocks(rows, torch.float64)
        ]
        common = (weights @ self._gradients(step)) @ answer
        return (torch.cat(pulls) - common) / len(rows)

    def _influences_on(self, target: str, around: Around) -> Tensor:
        weights, step, answer = self._answer(target, around)
        gradients = self._gradients(step)
        return (gradients - weights @ gradients) @ answer

    def _answer(self, target: str, around: Around) -> tuple[Tensor, Tensor, Tensor]:
        """Return the weights of all tasks, the step, and ``H^-1`` times the slope of the target's log loss there."""
        weights = torch.full_like(self.statistics.loss, 1 / len(self.train))
        if around == "alone":
            weights = torch.zeros_like(weights)
            weights[self.statistics.tasks.index(target)] = 1.0
        factor = self._factor(weights)
        step = -_solve(factor, weights @ self._gradient)
        loss, slope = losses_and_gradients(self.validation[target], step[None])
        return weights, step, _solve(factor, slope[0] / loss[0])

    def _factor(self, weights: Tensor) -> Tensor:
        hessian = torch.tensordot(weights, self._hessian, dims=1)
        hessian.diagonal().add_(self.ridge)
        factor: Tensor
        factor, status = torch.linalg.cholesky_ex(hessian)
        if int(status):
            raise SolverError("The Hessian is not positive definite at this `strength`. Choose a larger one.")
        return factor

    def _gradients(self, step: Tensor) -> Tensor:
        """Return ``(tasks, d)``: each task's gradient after the step, to second order."""
        return self._gradient + self._hessian @ step

    @cached_property
    def _gradient(self) -> Tensor:
        return self.statistics.gradient / self.statistics.rows[:, None]

    @cached_property
    def _hessian(self) -> Tensor:
        return self.statistics.hessian / self.statistics.rows[:, None, None]


def _solve(factor: Tensor, right: Tensor) -> Tensor:
    return torch.cholesky_solve(right[:, None], factor)[:, 0]
