"""Episodes: a few rows of one task to adapt on, and some to be judged on."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from cotrain.errors import InputError
from cotrain.problem.problem import Problem, Split
from cotrain.problem.rows import Rows
from cotrain.seeding import generator


@dataclass(frozen=True, eq=False)
class Episode:
    """Rows to adapt on and rows to judge by; one column of targets."""

    support: Rows
    query: Rows

    def to(self, device: torch.device) -> Episode:
        """Return it on a device."""
        return Episode(self.support.to(device), self.query.to(device))


def draw(problem: Problem, task: str, split: Split, *, shots: int, queries: int, seed: int, number: int) -> Episode:
    """Return one random episode of a task: the same for the same seed and number.

    Raises
    ------
    InputError
        When the task has too few labelled rows.
    """
    rows = problem.rows_of((task,), split)
    if len(rows) < shots + queries:
        raise InputError(
            f"Task '{task}' must have `shots` + `queries` = {shots + queries} labelled {split} rows. "
            f"Found {len(rows)}: ask for fewer."
        )
    order = torch.randperm(len(rows), generator=generator(seed, "episode", task, split, number))
    return Episode(rows.take(order[:shots]), rows.take(order[shots : shots + queries]))
