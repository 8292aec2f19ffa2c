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
_LEAST_LOSS = 1e-30
"""Below, a loss is rounded away in single precision."""


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
    """Return losses ``(n, tasks)``, zero where the label is missing; :class:`RowLosses` for use in a loop.

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
    return RowLosses(tasks)(outputs, targets)


def margin_of_loss(loss: Tensor) -> Tensor:
    r"""Return the margin :math:`u` whose logistic loss :math:`\log(1 + e^{-u})` is ``loss``, elementwise.

    So any loss that is not negative can be linearised like a classification's: exact in value and first derivative.
    Of a negative one it is NaN.

    Examples
    --------
    >>> F.softplus(-margin_of_loss(torch.tensor([1e-12, 0.5, 300.0])))
    tensor([1.0000e-12, 5.0000e-01, 3.0000e+02])
    """
    floor = loss.clamp_min(_LEAST_LOSS)
    return torch.where(loss < 0, torch.nan, -floor - torch.log(-torch.expm1(-floor)))


class RowLosses:
    """Losses per row and task, prepared once for some tasks and then called for every batch.

    Binary, multiclass and sequence tasks: cross-entropy in nats. Regression: squared error of standardised targets. All
    tasks of a kind are computed in one call, so the cost does not grow with the number of tasks but with the outputs.

    Parameters
    ----------
    tasks
        In the order of the columns of the targets.
    complete
        Whether no label is ever missing, so that none need be looked for.

    Examples
    --------
    >>> losses = RowLosses([Task("a", "regression"), Task("b", "regression")])
    >>> losses(torch.tensor([[3.0, 0.0]]), torch.tensor([[1.0, float("nan")]])).tolist()
    [[4.0, 0.0]]
    """

    def __init__(self, tasks: Sequence[Task], *, complete: bool = False) -> None:
        self._complete = complete
        self.tasks = tuple(tasks)
        self._width = sum(task.width for task in tasks)
        self._groups = [_Alike(members, output_columns(tasks), self._width) for members in _alike(tasks)]

    def __call__(self, outputs: Outputs, targets: Tensor) -> Tensor:
        """Return losses ``(n, tasks)``, zero where the label is missing."""
        named = isinstance(outputs, Tensor) and outputs.dim() == 2 and outputs.shape[1] == self._width
        parts = outputs if named else split_outputs(self.tasks, outputs)
        if self._complete:
            return self._of_present(parts, targets)
        return self._of_present(parts, targets.nan_to_num(0.0)) * ~torch.isnan(targets)

    def _of_present(self, parts: Outputs, targets: Tensor) -> Tensor:
        if len(self._groups) == 1:
            return self._groups[0].losses(parts, targets)
        result = torch.zeros_like(targets)
        for group in self._groups:
            result[:, group.positions] = group.losses(parts, targets[:, group.positions])
        return result


class _Alike:
    """Tasks that one call can serve: same kind, same width, or a single one with a loss of its own."""

    def __init__(self, members: Sequence[tuple[int, Task]], columns: Mapping[str, slice], width: int) -> None:
        self.positions = [position for position, _ in members]
        self._tasks = [task for _, task in members]
        self._columns = [column for task in self._tasks for column in range(*columns[task.name].indices(width))]
        self._whole = self._columns == list(range(width))

    def losses(self, outputs: Outputs, targets: Tensor) -> Tensor:
        first = self._tasks[0]
        if first.loss is not None:
            own = outputs[:, self._columns] if isinstance(outputs, Tensor) else outputs[first.name]
            return first.loss(own, targets[:, 0])[:, None]
        values = self._values(outputs, len(targets))
        if first.kind == "multiclass":
            logits = values.reshape(-1, len(self._tasks), first.width).transpose(1, 2)
            return F.cross_entropy(logits, targets.long(), reduction="none")
        if first.kind == "binary":
            return F.binary_cross_entropy_with_logits(values, targets, reduction="none")
        if first.kind == "sequence":
            return F.softplus(-values)
        return (values - targets).square()

    def _values(self, outputs: Outputs, rows: int) -> Tensor:
        """Return the output columns of all its tasks, side by side."""
        if isinstance(outputs, Tensor):
            return outputs if self._whole else outputs[:, self._columns]
        return torch.cat([outputs[task.name].reshape(rows, task.width) for task in self._tasks], dim=1)


def _alike(tasks: Sequence[Task]) -> list[list[tuple[int, Task]]]:
    batches: dict[object, list[tuple[int, Task]]] = {}
    for position, task in enumerate(tasks):
        key = task.name if task.loss else (task.kind, task.width)
        batches.setdefault((task.loss is None, key), []).append((position, task))
    return list(batches.values())
