"""Second-order statistics of each task's rows: sums, so that those of any subset are a sum over its tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from cotrain.affinity.linear_rows import computing_dtype, row_blocks, row_curvature, row_loss, row_slope
from cotrain.errors import InputError
from cotrain.gradients.task_gradients import TaskGradients


@dataclass(frozen=True, eq=False)
class TaskStatistics:
    """Sums over the rows of each task, at ``w = 0`` (the base model).

    Parameters
    ----------
    tasks
        Task names, in the order of the first dimension.
    rows
        ``(tasks,)``: number of rows.
    loss
        ``(tasks,)``: sum of the losses.
    gradient
        ``(tasks, d)``: sum of slope times features.
    hessian
        ``(tasks, d, d)``: sum of curvature times the outer product of the features.
    """

    tasks: tuple[str, ...]
    rows: Tensor
    loss: Tensor
    gradient: Tensor
    hessian: Tensor


def task_statistics(gradients: Mapping[str, TaskGradients], *, dtype: torch.dtype | None = None) -> TaskStatistics:
    """Return the sums behind every subset's first Newton step.

    Cost: ``2 * rows * d ** 2`` operations, once; all subsets, strengths and weights share them.

    Parameters
    ----------
    gradients
        Rows by task name.
    dtype
        Type to compute in; by default float64 for float64 features and float32 for all others.

    Raises
    ------
    InputError
        When tasks have different dimensions, or rows hold NaN or infinity.

    Examples
    --------
    >>> rows = TaskGradients(torch.tensor([[1.0], [2.0]]), torch.ones(2), torch.arange(2), "square")
    >>> statistics = task_statistics({"a": rows})
    >>> statistics.gradient.tolist(), statistics.hessian.tolist()
    ([[6.0]], [[[10.0]]])
    """
    _check_shapes(gradients)
    dtype = dtype or computing_dtype(next(iter(gradients.values())).features.dtype)
    sums = [_sums(task, dtype) for task in gradients.values()]
    loss, gradient, hessian = (torch.stack(parts) for parts in zip(*sums, strict=True))
    _check_finite(tuple(gradients), loss + gradient.sum(dim=1) + hessian.diagonal(dim1=1, dim2=2).sum(dim=1))
    rows = loss.new_tensor([len(task) for task in gradients.values()])
    return TaskStatistics(tuple(gradients), rows, loss, gradient, hessian)


def _sums(task: TaskGradients, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    width = task.features.shape[1]
    loss, gradient, hessian = (
        torch.zeros(shape, dtype=dtype, device=task.features.device) for shape in ((), (width,), (width, width))
    )
    for features, offset in row_blocks(task, dtype):
        loss += row_loss(task.loss, offset).sum()
        gradient += row_slope(task.loss, offset) @ features
        hessian.addmm_((features * row_curvature(task.loss, offset)[:, None]).T, features)
    return loss, gradient, hessian


def _check_shapes(gradients: Mapping[str, TaskGradients]) -> None:
    if not gradients:
        raise InputError("`gradients` must hold at least one task. Found none.")
    shapes = {name: tuple(task.features.shape[1:]) for name, task in gradients.items()}
    if len(set(shapes.values())) > 1:
        raise InputError(f"`gradients` must have the same dimension for every task. Found {shapes}.")


def _check_finite(tasks: tuple[str, ...], total: Tensor) -> None:
    bad = [name for name, finite in zip(tasks, total.isfinite().tolist(), strict=True) if not finite]
    if bad:
        raise InputError(
            f"`gradients` must be finite. Found NaN or infinity in the rows of {bad}: the base model diverged there."
        )
