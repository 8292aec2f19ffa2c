"""Losses and metrics of a network on rows it did not train on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cotrain.problem.losses import row_losses, split_outputs
from cotrain.problem.metrics import task_metric
from cotrain.problem.rows import Rows, select
from cotrain.problem.task import Subset, Task

ROWS_AT_ONCE = 8192


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Losses and metrics ``(tasks of the subset,)`` of one network on one split; NaN for a task without rows."""

    subset: Subset
    loss: NDArray[np.float64]
    metric: NDArray[np.float64]


def evaluate(network: nn.Module, tasks: Sequence[Task], rows: Rows) -> Evaluation:
    """Return mean losses and metrics of each task over its observed rows.

    Parameters
    ----------
    network
        Returns outputs for ``tasks``; it is put in eval mode.
    tasks
        In the order of the columns of the rows' targets.
    rows
        On the network's device.

    Examples
    --------
    >>> rows = Rows(torch.tensor([[1.0], [3.0]]), torch.tensor([[1.0], [2.0]]))
    >>> evaluate(nn.Identity(), [Task("a", "regression", metric="mae")], rows)
    Evaluation(subset=('a',), loss=array([0.5]), metric=array([0.5]))
    """
    outputs = predict(network, tasks, rows)
    targets = rows.targets.unbind(dim=1)
    metrics = [task_metric(task, outputs[task.name], target) for task, target in zip(tasks, targets, strict=True)]
    return Evaluation(tuple(task.name for task in tasks), _mean_losses(tasks, outputs, rows), np.array(metrics))


def mean_losses(network: nn.Module, tasks: Sequence[Task], rows: Rows) -> NDArray[np.float64]:
    """Return the mean loss of each task over its observed rows; NaN where there is none."""
    return _mean_losses(tasks, predict(network, tasks, rows), rows)


@torch.no_grad()
def predict(network: nn.Module, tasks: Sequence[Task], rows: Rows) -> dict[str, Tensor]:
    """Return each task's outputs for all rows, computed in eval mode."""
    network.eval()
    if len(rows) <= ROWS_AT_ONCE:
        return split_outputs(tasks, network(rows.inputs))
    parts = [
        split_outputs(tasks, network(select(rows.inputs, index)))
        for index in torch.split(torch.arange(len(rows), device=rows.targets.device), ROWS_AT_ONCE)
    ]
    return {task.name: torch.cat([part[task.name] for part in parts]) for task in tasks}


def _mean_losses(tasks: Sequence[Task], outputs: dict[str, Tensor], rows: Rows) -> NDArray[np.float64]:
    totals = row_losses(tasks, outputs, rows.targets).sum(dim=0, dtype=torch.float64)
    means: NDArray[np.float64] = (totals / rows.observed.sum(dim=0)).cpu().numpy()
    return means
