"""Small problems whose tasks come in families: what is alike and what has nothing in common is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from cotrain.models.mlp import SharedMLPFactory
from cotrain.problem.options import NetworkOptions, TrainingOptions
from cotrain.problem.problem import SPLITS, Problem, Split
from cotrain.problem.rows import Rows
from cotrain.problem.task import Task
from cotrain.seeding import generator

FEATURES = 6
QUICK = TrainingOptions(learning_rate=0.02, batch_size=32, epochs=12, patience=4)


@dataclass(frozen=True)
class Member:
    """A task of a family.

    Parameters
    ----------
    task
        Its name and kind.
    family
        Members of a family ask about the same direction of the inputs; None: labels have nothing to do with them.
    twin
        Of another name: has the very labels of that task.
    """

    task: Task
    family: int | None
    twin: str = ""


def member(name: str, family: int | None, *, twin: str = "") -> Member:
    """A binary task."""
    return Member(Task(name), family, twin)


def problem_of(
    members: Sequence[Member],
    *,
    rows: int = 160,
    seed: int = 0,
    missing: float = 0.0,
    own_rows: bool = False,
    training: TrainingOptions = QUICK,
    hidden: tuple[int, ...] = (12,),
) -> Problem:
    """Build the problem; each task's noise and gaps come from its own name, so that nothing hangs on their order.

    With ``own_rows`` every row has the label of one task, as when tasks bring data of their own.
    """
    splits: dict[Split, Rows] = {}
    for split in SPLITS:
        inputs = torch.randn(rows, FEATURES, generator=generator(seed, split))
        targets = torch.stack([_labels(own, inputs, seed, split) for own in members], dim=1)
        gaps = [torch.rand(rows, generator=generator(seed, split, "gaps", own.task.name)) < missing for own in members]
        targets[torch.stack(gaps, dim=1)] = torch.nan
        if own_rows:
            names = sorted(own.task.name for own in members)
            owner = torch.arange(rows) % len(members)
            places = torch.tensor([names.index(own.task.name) for own in members])
            targets[owner[:, None] != places] = torch.nan
        splits[split] = Rows(inputs, targets)
    build = SharedMLPFactory(FEATURES, NetworkOptions(hidden=hidden))
    return Problem(tuple(own.task for own in members), splits, build, training)


def with_poisoned_test(problem: Problem) -> Problem:
    """The same problem with test rows that ruin whatever reads them."""
    test = problem.splits["test"]
    assert isinstance(test.inputs, Tensor)
    ruined = Rows(torch.full_like(test.inputs, torch.nan), torch.full_like(test.targets, 1e9))
    return replace(problem, splits={**problem.splits, "test": ruined})


def _labels(own: Member, inputs: Tensor, seed: int, split: str) -> Tensor:
    noise = torch.randn(len(inputs), generator=generator(seed, split, "noise", own.twin or own.task.name))
    if own.family is None:
        score = noise
    else:
        directions = torch.linalg.qr(torch.randn(FEATURES, FEATURES, generator=generator(seed, "directions"))).Q
        score = 2 * torch.relu(inputs @ directions[:, own.family]) - 0.8 + 0.5 * noise
    if own.task.kind == "regression":
        return score
    if own.task.kind == "multiclass":
        return torch.bucketize(score, torch.linspace(-1, 1, own.task.classes - 1)).float()
    return (score > 0).float()
