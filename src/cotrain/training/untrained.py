"""Untrained networks."""

from __future__ import annotations

from typing import TypeAlias

import torch
from torch import nn

from cotrain.problem.problem import Problem
from cotrain.problem.task import Subset
from cotrain.seeding import seeded

Job: TypeAlias = tuple[Subset, int]
"""One training to be done: a subset and a seed."""


def untrained(problem: Problem, job: Job, device: torch.device) -> nn.Module:
    """Return the network of a subset as its seed starts it."""
    subset, seed = job
    with seeded(seed, "network"):
        return problem.build(problem.tasks_of(subset)).to(device)
