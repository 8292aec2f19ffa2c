"""Linear heads, one per task, that start the same whoever the partners are."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from cotrain.problem.task import Task
from cotrain.seeding import seeded


def task_heads(width: int, tasks: Sequence[Task]) -> nn.Linear:
    """Return one linear head per task, all in one matrix product.

    A head starts from a seed of its own that depends on the task's name alone: a task starts the same whoever its
    partners are and in whatever order they come.

    Parameters
    ----------
    width
        Number of shared features.
    tasks
        In the order of the output columns.

    Examples
    --------
    >>> task_heads(8, [Task("a"), Task("b", "multiclass", classes=3)])
    Linear(in_features=8, out_features=4, bias=True)
    """
    seed = int(torch.randint(2**31, ()).item())  # drawn before the heads, whose number would shift it
    heads = nn.Linear(width, sum(task.width for task in tasks))
    own = []
    for task in tasks:
        with seeded(seed, task.name):
            own.append(nn.Linear(width, task.width))
    with torch.no_grad():
        heads.weight.copy_(torch.cat([head.weight for head in own]))
        heads.bias.copy_(torch.cat([head.bias for head in own]))
    return heads
