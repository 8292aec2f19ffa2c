"""Losses per row and task, for any mix of kinds, missing labels counted as nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from torch import Tensor

from cotrain.errors import InputError
from cotrain.problem.task import Task

Outputs: TypeAlias = Tensor | Mapping[str, Tensor]
"""What a network returns: ``(n, sum of widths)`` in task order, or one tensor per task name."""


def output_columns(tasks: Sequence[Task]) -> dict[str, slice]:
    """Return the columns of each task when a network returns one tensor for all tasks.

    Examples
    --------
    >>> output_columns([Task("a"), Task("b", "multiclass", classes=3)])
    {'a': slice(0, 1, None), 'b': slice(1, 4, None)}
    """
    columns, start = {}, 0
    for task in tasks:
        columns[task.name] = slice(start, start + task.width)
        start += task.width
    return columns


def split_outputs(tasks: Sequence[Task], outputs: Outputs) -> dict[str, Tensor]:
    """Return one tensor per task, whatever form the network returned.

    Raises
    ------
    InputError
        When a task has no output or the columns do not add up.
    """
    if isinstance(outputs, Tensor):
        columns = output_columns(tasks)
        needed = sum(task.width for task in tasks)
        if outputs.dim() != 2 or outputs.shape[1] != needed:
            raise InputError(
                f"A network that returns one tensor must return {needed} columns for tasks "
                f"{[task.name for task in tasks]}. Found shape {tuple(outputs.shape)}."
            )
        return {name: outputs[:, where] for name, where in columns.items()}
    missing = [task.name for task in tasks if task.name not in outputs]
    if missing:
        raise InputError(f"The network returned no output for {missing}. Found outputs for {sorted(outputs)}.")
    return {task.name: outputs[task.name] for task in tasks}


def row_losses(tasks: Sequence[Task], outputs: Outputs, targets: Tensor) -> Tensor:
    """Return losses ``(n, tasks)``, zero where the label is missing.

    Binary and multiclass tasks: cross-entropy in nats. Regression: squared error of standardised targets. All tasks of
    a kind are computed in one call, so the cost does not grow with the number of tasks but with the outputs.

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
    >>> targets = torch.tensor([[1.0], [float("nan")]])
    >>> row_losses([Task("a", "regression")], torch.tensor([[3.0], [5.0]]), targets).tolist()
    [[4.0], [0.0]]
    """
    parts = split_outputs(tasks, outputs)
    observed = ~torch.isnan(targets)
    filled = targets.nan_to_num(0.0)
    result = torch.zeros_like(filled)
    for members in _alike(tasks):
        index = [position for position, _ in members]
        result[:, index] = _losses_alike([task for _, task in members], parts, filled[:, index])
    return result * observed


def _alike(tasks: Sequence[Task]) -> list[list[tuple[int, Task]]]:
    """Bring tasks together that one call can serve: same kind, same width, no loss of their own."""
    batches: dict[object, list[tuple[int, Task]]] = {}
    for position, task in enumerate(tasks):
        key = task.name if task.loss else (task.kind, task.width)
        batches.setdefault((task.loss is None, key), []).append((position, task))
    return list(batches.values())


def _losses_alike(tasks: Sequence[Task], parts: Mapping[str, Tensor], targets: Tensor) -> Tensor:
    first = tasks[0]
    if first.loss is not None:
        return first.loss(parts[first.name], targets[:, 0])[:, None]
    if first.kind == "multiclass":
        logits = torch.stack([parts[task.name] for task in tasks], dim=2)
        return F.cross_entropy(logits, targets.long(), reduction="none")
    values = torch.cat([parts[task.name].reshape(len(targets), 1) for task in tasks], dim=1)
    if first.kind == "binary":
        return F.binary_cross_entropy_with_logits(values, targets, reduction="none")
    return (values - targets).square()
