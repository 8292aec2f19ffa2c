"""Which trainings are worth doing at once, and how many at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cotrain.problem.problem import Problem
from cotrain.training.ensemble import Ensemble, Member
from cotrain.training.flops import FlopsPerRow, flops_per_row
from cotrain.training.layout import Layout
from cotrain.training.stacking import find_layout
from cotrain.training.subset_data import SubsetData
from cotrain.training.untrained import Job

SMALL_STEP_FLOPS = 2e7
"""Above, arithmetic and not overhead takes most of a step, and nothing is won by doing many at once."""
MOST_NUMBERS = 2**26
"""Held at once by all members of an ensemble."""


@dataclass(frozen=True, eq=False)
class EnsemblePlan:
    """How to train jobs as ensembles.

    Parameters
    ----------
    problem
        What is learned.
    layout
        Has a place for every job.
    data
        Of all tasks of the jobs.
    size
        The most members of one ensemble.
    """

    problem: Problem
    layout: Layout
    data: SubsetData
    size: int

    def chunks(self, jobs: Sequence[Job]) -> Iterator[Sequence[Job]]:
        """Return the jobs in parts that train as one ensemble each."""
        return (jobs[start : start + self.size] for start in range(0, len(jobs), self.size))

    def ensemble(self, networks: Mapping[Job, nn.Module]) -> Ensemble:
        """Return the untrained ensemble of some jobs' networks."""
        flops: dict[object, FlopsPerRow] = {}
        members = []
        for (subset, seed), network in networks.items():
            shapes = tuple((name, value.shape) for name, value in network.named_parameters())
            if shapes not in flops:
                own = SubsetData.of(self.problem, subset, self.data.label_weights.device)
                flops[shapes] = flops_per_row(network, own, self.problem.training.batch_size)
            members.append(Member(subset, seed, network, flops[shapes]))
        return Ensemble(self.layout, self.data, members, self.problem.training)


def plan_ensembles(problem: Problem, jobs: Sequence[Job], device: torch.device) -> EnsemblePlan | None:
    """Return how to train jobs as ensembles; None where that is impossible or gains nothing."""
    if len(jobs) < 2 or not problem.training.plain:
        return None
    union = problem.subset(name for subset, _ in jobs for name in subset)
    data = SubsetData.of(problem, union, device)
    layout = find_layout(problem, jobs, data)
    if layout is None:
        return None
    size = problem.training.batch_size
    if flops_per_row(layout.network, data, size).step * size > SMALL_STEP_FLOPS:
        return None
    members = MOST_NUMBERS // _numbers(layout, data, size)
    return EnsemblePlan(problem, layout, data, members) if members > 1 else None


def _numbers(layout: Layout, data: SubsetData, batch_size: int) -> int:
    """Return roughly how many numbers one member holds: weights with their optimizer state, a batch, its row order."""
    weights = sum(value.numel() for value in layout.network.parameters())
    inputs = data.train.inputs
    parts = [inputs] if isinstance(inputs, Tensor) else list(inputs.values())
    row = sum(part[0].numel() for part in parts) + 8 * sum(task.width for task in layout.tasks)
    return 6 * weights + 2 * batch_size * row + 3 * len(data.train)
