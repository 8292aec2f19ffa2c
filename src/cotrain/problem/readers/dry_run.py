"""A network that the user builds is tried on two rows, so that mistakes show before work starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from cotrain.errors import InputError
from cotrain.problem.losses import Outputs, row_losses, split_outputs
from cotrain.problem.problem import Problem
from cotrain.problem.task import Task
from cotrain.seeding import seeded

ROWS = 2


def dry_run(problem: Problem) -> None:
    """Build networks for all tasks and for the first alone and take the losses of two training rows.

    Raises
    ------
    InputError
        When building or running fails, or an output or loss has another shape than its task needs.
    """
    for chosen in dict.fromkeys((problem.names, problem.names[:1])):
        part = problem.with_tasks(chosen)
        rows = part.splits["train"].take(torch.arange(ROWS))
        names = f"tasks {list(chosen)}" if len(chosen) < 4 else f"all {len(chosen)} tasks"
        try:
            with seeded(0, "dry run"), torch.no_grad():
                outputs: Outputs = part.build(part.tasks).eval()(rows.inputs)
        except Exception as error:
            raise InputError(
                f"`build` must return a network for any of the tasks. A dry run of {names} on {ROWS} rows "
                f"({_shapes(rows.inputs)}) failed with {type(error).__name__}: {error}."
            ) from error
        _check_outputs(part.tasks, split_outputs(part.tasks, outputs))
        _check_losses(part.tasks, outputs, rows.targets)


def _shapes(inputs: Tensor | Mapping[str, Tensor]) -> str:
    if isinstance(inputs, Tensor):
        return f"inputs {tuple(inputs.shape)}"
    return ", ".join(f"'{name}' {tuple(part.shape)}" for name, part in inputs.items())


def _check_outputs(tasks: Sequence[Task], parts: Mapping[str, Tensor]) -> None:
    problems = [
        f"`build` must return a network with outputs ({ROWS}, {task.width}) for task '{task.name}' on {ROWS} rows. "
        f"Found {tuple(parts[task.name].shape)}."
        for task in tasks
        if task.loss is None and tuple(parts[task.name].shape) not in {(ROWS, task.width), (ROWS,) * task.width}
    ]
    if problems:
        raise InputError(problems)


def _check_losses(tasks: Sequence[Task], outputs: Outputs, targets: Tensor) -> None:
    parts = split_outputs(tasks, outputs)
    for position, task in enumerate(tasks):
        if task.loss is None:
            continue
        loss = task.loss(parts[task.name], targets[:, position].nan_to_num(0.0))
        if tuple(loss.shape) != (ROWS,):
            raise InputError(
                f"`loss` of task '{task.name}' must return one loss for each of {ROWS} rows. "
                f"Found shape {tuple(loss.shape)}; reduction='none' keeps rows apart."
            )
        if (loss < 0).any():
            raise InputError(
                f"`loss` of task '{task.name}' must not be negative, since gains are shares of a loss. "
                f"Found {float(loss.min()):.3g}. Add a constant."
            )
    if not torch.isfinite(row_losses(tasks, outputs, targets)).all():
        raise InputError("`build` must return a network with finite losses. An untrained one gave NaN or infinity.")
