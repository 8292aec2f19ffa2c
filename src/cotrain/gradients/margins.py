"""Margins and residuals: the one number of a row and task that is linearised, whose loss is simple and exact."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cotrain.gradients.task_gradients import LinearLoss
from cotrain.problem.losses import Outputs, margin_of_loss, split_outputs
from cotrain.problem.task import Task


def linear_loss(task: Task) -> LinearLoss:
    """Return the loss of the task's linearised rows."""
    return "square" if task.kind == "regression" and task.loss is None else "logistic"


def margins(tasks: Sequence[Task], outputs: Outputs, targets: Tensor) -> Tensor:
    r"""Return margins or residuals ``(n, tasks)``; where a label is missing the value has no meaning.

    * binary, :math:`y = \pm 1`: :math:`m = y f(x)`;
    * multiclass: :math:`m = z_y - \log \sum_{c \ne y} e^{z_c}`;
    * sequence: what the network returns, a margin already;
    * a loss of the task's own: :func:`~cotrain.problem.losses.margin_of_loss`;
    * regression: the residual :math:`f(x) - y`.

    The loss of all but the last is :math:`\log(1 + e^{-m})` exactly, that of the last is its square.

    Parameters
    ----------
    tasks
        In the order of the columns of ``targets``.
    outputs
        What the network returned.
    targets
        ``(n, tasks)`` with NaN for missing labels.

    Examples
    --------
    >>> margins([Task("a"), Task("b", "regression")], torch.tensor([[2.0, 2.0]]), torch.tensor([[0.0, 0.5]])).tolist()
    [[-2.0, 1.5]]
    """
    return torch.stack(margin_columns(tasks, outputs, targets), dim=1)


def margin_columns(tasks: Sequence[Task], outputs: Outputs, targets: Tensor) -> list[Tensor]:
    """Return the columns of :func:`margins`; a backward pass from one does not go through the others."""
    parts = split_outputs(tasks, outputs)
    filled = targets.nan_to_num(0.0)
    return [_margin(task, parts[task.name], filled[:, column]) for column, task in enumerate(tasks)]


def _margin(task: Task, output: Tensor, target: Tensor) -> Tensor:
    if task.loss is not None:
        return margin_of_loss(task.loss(output, target))
    if task.kind == "multiclass":
        chosen = target.long()[:, None]
        others = output.scatter(1, chosen, float("-inf"))
        return output.gather(1, chosen)[:, 0] - others.logsumexp(dim=1)
    value = output.reshape(len(target))
    if task.kind == "sequence":
        return value
    return value - target if task.kind == "regression" else value * (2 * target - 1)
