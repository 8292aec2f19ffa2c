"""Small problems that train in moments."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from cotrain.models.mlp import SharedMLP
from cotrain.problem.options import NetworkOptions, TrainingOptions
from cotrain.problem.problem import SPLITS, Problem, Split
from cotrain.problem.rows import Rows
from cotrain.problem.task import Task
from cotrain.training.fit import Fit

MIXED = (Task("b", weight=2.0), Task("a", "regression"), Task("c", "multiclass", classes=3), Task("d"))
QUICK = TrainingOptions(learning_rate=0.02, batch_size=16, epochs=6, patience=3)


def rows_for(tasks: Sequence[Task], count: int, *, missing: float, seed: int) -> Rows:
    """Random inputs and targets that depend on them; the first rows are fully labelled."""
    stream = torch.Generator().manual_seed(seed)
    inputs = torch.randn(count, 5, generator=stream)
    targets = torch.stack([_target(task, inputs) for task in tasks], dim=1)
    gone = torch.rand(targets.shape, generator=stream) < missing
    gone[:4] = False
    return Rows(inputs, targets.masked_fill(gone, float("nan")))


def _target(task: Task, inputs: Tensor) -> Tensor:
    stream = torch.Generator().manual_seed(ord(task.name[0]))
    score = inputs @ torch.randn(5, generator=stream) + 0.3 * torch.randn(len(inputs), generator=stream)
    if task.kind == "regression":
        return score
    return torch.bucketize(
        score, torch.linspace(-1, 1, task.width + 1)[1:-1] if task.width > 1 else torch.zeros(1)
    ).float()


def problem_for(
    tasks: Sequence[Task] = MIXED,
    *,
    rows: int = 60,
    missing: float = 0.3,
    dropout: float = 0.0,
    training: TrainingOptions = QUICK,
    hidden: tuple[int, ...] = (8,),
) -> Problem:
    """A problem of mixed kinds with missing labels and the default network."""
    splits: dict[Split, Rows] = {
        split: rows_for(tasks, rows, missing=missing, seed=number) for number, split in enumerate(SPLITS)
    }
    options = NetworkOptions(hidden=hidden, dropout=dropout)
    return Problem(tuple(tasks), splits, lambda chosen: SharedMLP(5, chosen, options), training)


def identical(one: Fit, other: Fit) -> bool:
    """Whether two fits agree to the last bit."""
    weights, others = one.network.state_dict(), other.network.state_dict()
    numbers = np.array_equal(one.curve, other.curve) and np.array_equal(one.validation_loss, other.validation_loss)
    return numbers and one.steps == other.steps and all(torch.equal(weights[name], others[name]) for name in weights)
