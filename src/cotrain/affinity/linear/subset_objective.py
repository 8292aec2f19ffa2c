"""The objective of every subset's fit: value, gradient and a factorised Hessian, for many subsets at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from cotrain.affinity.linear.linear_rows import losses_and_gradients
from cotrain.affinity.linear.task_statistics import TaskStatistics, task_statistics
from cotrain.errors import SolverError
from cotrain.gradients.task_gradients import TaskGradients


@dataclass(frozen=True, eq=False)
class Point:
    """The objective of each subset at its own coefficients.

    Parameters
    ----------
    coefficients, gradient
        ``(m, d)``.
    value
        ``(m,)``.
    task_loss
        ``(m, tasks)``; NaN for tasks outside the subset.
    """

    coefficients: Tensor
    value: Tensor
    gradient: Tensor
    task_loss: Tensor

    def replaced_where(self, better: Tensor, other: Point) -> Point:
        """Return this point with the subsets at ``better`` taken from ``other``."""
        rows = better[:, None]
        return Point(
            torch.where(rows, other.coefficients, self.coefficients),
            torch.where(better, other.value, self.value),
            torch.where(rows, other.gradient, self.gradient),
            torch.where(rows, other.task_loss, self.task_loss),
        )


@dataclass(frozen=True, eq=False)
class SubsetObjective:
    """Weighted mean of the tasks' mean losses plus ``ridge / 2 * |w| ** 2``, for each of ``m`` subsets.

    Parameters
    ----------
    gradients
        Rows by task.
    statistics
        Of the same rows.
    mask
        Boolean ``(m, tasks)``.
    share
        ``(m, tasks)``: weight of each task's mean loss; rows sum to one, or to zero for a subset without rows.
    ridge
        Strength of the penalty.
    """

    gradients: Mapping[str, TaskGradients]
    statistics: TaskStatistics
    mask: Tensor
    share: Tensor
    ridge: float

    def chunk(self, subsets: slice) -> SubsetObjective:
        """Return the objective of some of the subsets."""
        return replace(self, mask=self.mask[subsets], share=self.share[subsets])

    def start(self) -> Point:
        """Return the point of the statistics, from them alone; a subset without rows starts, and stays, at zero."""
        rows = self.statistics.rows.clamp(min=1)
        loss = self.statistics.loss / rows
        fitted = self.mask & (self.statistics.rows > 0)
        coefficients = self.statistics.at * fitted.any(dim=1, keepdim=True)
        value = self.share @ loss + self.ridge / 2 * coefficients.square().sum(dim=1)
        gradient = self.share @ (self.statistics.gradient / rows[:, None]) + self.ridge * coefficients
        return Point(coefficients, value, gradient, loss.expand(self.share.shape).masked_fill(~fitted, torch.nan))

    def at(self, coefficients: Tensor) -> Point:
        """Return the point at ``coefficients`` by one pass over the rows of every task."""
        task_loss = torch.full_like(self.share, torch.nan)
        gradient = self.ridge * coefficients
        value = self.ridge / 2 * coefficients.square().sum(dim=1)
        for column, task in enumerate(self.gradients.values()):
            members = self.mask[:, column].nonzero().squeeze(1)
            if not len(members) or not len(task):
                continue
            loss, slope = losses_and_gradients(task, coefficients[members])
            share = self.share[members, column]
            task_loss[members, column] = loss
            value.index_add_(0, members, share * loss)
            gradient.index_add_(0, members, share[:, None] * slope)
        return Point(coefficients, value, gradient, task_loss)

    def factor(self) -> Tensor:
        """Return Cholesky factors ``(m, d, d)`` of the subsets' Hessians at the point of the statistics.

        Raises
        ------
        SolverError
            When a Hessian is not positive definite to the precision of the statistics.
        """
        tasks, width, _ = self.statistics.hessian.shape
        per_row = self.share / self.statistics.rows.clamp(min=1)
        hessian = (per_row @ self.statistics.hessian.reshape(tasks, -1)).reshape(-1, width, width)
        hessian.diagonal(dim1=1, dim2=2).add_(self.ridge)
        factor: Tensor
        factor, status = torch.linalg.cholesky_ex(hessian)
        if bool(status.any()):
            raise SolverError(
                f"The Hessians of {int(status.count_nonzero())} subsets are not positive definite at this `strength`. "
                "Choose a larger one."
            )
        return factor

    def in_float64(self) -> SubsetObjective:
        """Return the objective with statistics computed anew in float64."""
        statistics = task_statistics(self.gradients, at=self.statistics.at, dtype=torch.float64)
        return replace(self, statistics=statistics, share=self.share.double())
