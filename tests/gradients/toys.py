"""Small problems, networks and the slow truth that the engine is compared with."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cotrain.gradients.margins import margins
from cotrain.problem.problem import SPLITS, Problem
from cotrain.problem.rows import Inputs, Rows, select
from cotrain.problem.task import Task

MIXED = (Task("a"), Task("b", "multiclass", classes=3), Task("c", "regression"))


def targets_for(tasks: Sequence[Task], rows: int, *, missing: float = 0.0, seed: int = 0) -> Tensor:
    stream = torch.Generator().manual_seed(seed)
    columns = []
    for task in tasks:
        codes = torch.randint(task.width if task.kind == "multiclass" else 2, (rows,), generator=stream).float()
        columns.append(torch.randn(rows, generator=stream) if task.kind == "regression" else codes)
    targets = torch.stack(columns, dim=1)
    gone = torch.rand(targets.shape, generator=stream) < missing
    gone[0] = False
    return targets.masked_fill(gone, float("nan"))


def problem_of(tasks: Sequence[Task], inputs: Inputs, targets: Tensor) -> Problem:
    rows = Rows(inputs, targets)
    return Problem(tuple(tasks), dict.fromkeys(SPLITS, rows), lambda _: nn.Identity())


def loop_gradients(
    network: nn.Module, tasks: Sequence[Task], rows: Rows, names: Sequence[str]
) -> dict[str, tuple[dict[str, Tensor], Tensor]]:
    """Every observed row's full gradient and margin by one backward pass each, each row alone in its batch."""
    parameters = [network.get_parameter(name) for name in names]
    found: dict[str, tuple[dict[str, Tensor], Tensor]] = {}
    for column, task in enumerate(tasks):
        gradients, offsets = [], []
        for row in rows.observed[:, column].nonzero()[:, 0].tolist():
            index = torch.tensor([row])
            margin = margins(tasks, network(select(rows.inputs, index)), rows.targets[index])[0, column]
            each = torch.autograd.grad(margin, parameters, allow_unused=True)
            gradients.append([torch.zeros_like(p) if g is None else g for g, p in zip(each, parameters, strict=True)])
            offsets.append(margin.detach())
        stacked = [torch.stack(parts) for parts in zip(*gradients, strict=True)]
        found[task.name] = (dict(zip(names, stacked, strict=True)), torch.stack(offsets))
    return found


def relative_error(found: Tensor, true: Tensor) -> float:
    return float((found - true).norm() / true.norm().clamp_min(1e-12))
