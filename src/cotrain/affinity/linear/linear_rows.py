"""Losses of linearised rows under many coefficient vectors at once: two matrix products a block of rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from torch import Tensor

from cotrain.gradients.task_gradients import LinearLoss, TaskGradients

_BLOCK_VALUES = 1 << 20
"""Most outputs (rows x coefficient vectors) or features (rows x d) held for one block."""


def computing_dtype(stored: torch.dtype) -> torch.dtype:
    """Return the type in which stored features are computed with: float64 stays, anything else is float32."""
    return torch.float64 if stored == torch.float64 else torch.float32


def row_loss(loss: LinearLoss, outputs: Tensor) -> Tensor:
    """Return ``log(1 + exp(-u))`` or ``u ** 2``, elementwise."""
    return outputs.square() if loss == "square" else F.softplus(-outputs)


def row_slope(loss: LinearLoss, outputs: Tensor) -> Tensor:
    """Return the first derivative of :func:`row_loss`."""
    return 2 * outputs if loss == "square" else outputs.neg().sigmoid_().neg_()


def row_curvature(loss: LinearLoss, outputs: Tensor) -> Tensor:
    """Return the second derivative of :func:`row_loss`."""
    if loss == "square":
        return torch.full_like(outputs, 2.0)
    return torch.sigmoid(outputs) * torch.sigmoid(-outputs)


def row_blocks(task: TaskGradients, dtype: torch.dtype, *, width: int = 1) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (features, offset) of blocks of rows as ``dtype``, small enough for ``width`` numbers a row.

    Rows that lie in a memory map are read block by block, so that a task may be larger than memory.
    """
    rows = max(1, _BLOCK_VALUES // max(width, task.features.shape[1]))
    for start in range(0, len(task), rows):
        block = slice(start, start + rows)
        yield task.features[block].to(dtype), task.offset[block].to(dtype)


def linear_losses(gradients: Mapping[str, TaskGradients], coefficients: Tensor) -> Tensor:
    """Return the mean loss of every task under every coefficient vector.

    Cost: ``2 * rows * d`` operations per coefficient vector, as matrix products.

    Parameters
    ----------
    gradients
        Rows by task name, usually of the validation split.
    coefficients
        ``(m, d)``, one vector per subset.

    Returns
    -------
    Tensor
        ``(m, tasks)``: mean over a task's rows of the loss of ``offset + features . w``; NaN for a task without rows.

    Examples
    --------
    >>> rows = TaskGradients(torch.tensor([[1.0], [-1.0]]), torch.zeros(2), torch.arange(2), "square")
    >>> linear_losses({"a": rows}, torch.tensor([[0.0], [3.0]])).tolist()
    [[0.0], [9.0]]
    """
    columns = []
    for task in gradients.values():
        total = coefficients.new_zeros(len(coefficients))
        for features, offset in row_blocks(task, coefficients.dtype, width=len(coefficients)):
            outputs = torch.addmm(offset, coefficients, features.T)
            total += row_loss(task.loss, outputs).sum(dim=1)
        columns.append(total / len(task))
    return torch.stack(columns, dim=1)


def losses_and_gradients(task: TaskGradients, coefficients: Tensor) -> tuple[Tensor, Tensor]:
    """Return one task's mean loss ``(m,)`` and its gradient ``(m, d)`` under each coefficient vector."""
    loss = coefficients.new_zeros(len(coefficients))
    gradient = torch.zeros_like(coefficients)
    for features, offset in row_blocks(task, coefficients.dtype, width=len(coefficients)):
        outputs = torch.addmm(offset, coefficients, features.T)
        loss += row_loss(task.loss, outputs).sum(dim=1)
        gradient.addmm_(row_slope(task.loss, outputs), features)
    return loss / len(task), gradient / len(task)
