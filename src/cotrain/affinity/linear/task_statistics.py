"""Second-order statistics of each task's rows: sums, so that those of any subset are a sum over its tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from cotrain.affinity.linear.linear_rows import computing_dtype, row_blocks, row_curvature, row_loss, row_slope
from cotrain.errors import InputError
from cotrain.gradients.task_gradients import TaskGradients


@dataclass(frozen=True, eq=False)
class TaskStatistics:
    """Sums over the rows of each task, at one point ``w`` for all subsets to start from.

    Parameters
    ----------
    tasks
        Task names, in the order of the first dimension.
    rows
        ``(tasks,)``: number of rows.
    at
        ``(d,)``: the point; zero is the base model.
    loss
        ``(tasks,)``: sum of the losses.
    gradient
        ``(tasks, d)``: sum of slope times features.
    hessian
        ``(tasks, d, d)``: sum of curvature times the outer product of the features.
    spread
        ``(tasks,)``: trace of the Hessian at ``w = 0``, wherever the rest is taken.
    """

    tasks: tuple[str, ...]
    rows: Tensor
    at: Tensor
    loss: Tensor
    gradient: Tensor
    hessian: Tensor
    spread: Tensor


def task_statistics(
    gradients: Mapping[str, TaskGradients], *, at: Tensor | None = None, dtype: torch.dtype | None = None
) -> TaskStatistics:
    """Return the sums behind every subset's first Newton step.

    Cost: ``2 * rows * d ** 2`` operations, once; all subsets, strengths and weights share them.

    Parameters
    ----------
    gradients
        Rows by task name.
    at
        The point ``w`` to take them at; the base model, ``w = 0``, by default.
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
    features = next(iter(gradients.values())).features
    like = torch.zeros(features.shape[1], dtype=dtype or computing_dtype(features.dtype), device=features.device)
    point = like if at is None else at.to(like)
    sums = [_sums(task, point) for task in gradients.values()]
    loss, gradient, hessian, spread = (torch.stack(parts) for parts in zip(*sums, strict=True))
    _check_finite(tuple(gradients), loss + gradient.sum(dim=1) + spread)
    rows = loss.new_tensor([len(task) for task in gradients.values()])
    return TaskStatistics(tuple(gradients), rows, point, loss, gradient, hessian, spread)


def _sums(task: TaskGradients, at: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    loss, spread = at.new_zeros(()), at.new_zeros(())
    gradient, hessian = torch.zeros_like(at), at.new_zeros(len(at), len(at))
    for features, offset in row_blocks(task, at.dtype):
        outputs = torch.addmv(offset, features, at)
        loss += row_loss(task.loss, outputs).sum()
        gradient += row_slope(task.loss, outputs) @ features
        hessian.addmm_((features * row_curvature(task.loss, outputs)[:, None]).T, features)
        spread += row_curvature(task.loss, offset) @ torch.linalg.vecdot(features, features)
    return loss, gradient, hessian, spread


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
