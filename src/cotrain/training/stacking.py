"""Decides whether networks can train as one ensemble, by trying one step both ways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from torch import Tensor, nn

from cotrain.problem.losses import RowLosses
from cotrain.problem.problem import Problem
from cotrain.problem.rows import select
from cotrain.problem.task import Subset
from cotrain.seeding import seeded
from cotrain.training.layout import Layout, UnstackableError, Weights, folded
from cotrain.training.subset_data import SubsetData
from cotrain.training.untrained import Job, untrained

PROBE_ROWS = 4
PADDING = 2
CODE_ERRORS = (RuntimeError, TypeError, ValueError, LookupError, AttributeError)
"""What a network's own code may raise when its operations are stacked: control flow that depends on data, say."""


def find_layout(problem: Problem, jobs: Sequence[Job], data: SubsetData) -> Layout | None:
    """Return a layout in which all jobs train as they would alone; None when there is none.

    Networks that keep buffers, draw random numbers, mix rows, or whose structure is tied to their tasks in other ways
    than one head each have none.

    Parameters
    ----------
    problem
        Builds the networks.
    jobs
        Subsets and seeds.
    data
        Of all tasks of the jobs.
    """
    device = data.label_weights.device
    with seeded(0, "network"):
        layout = Layout(data.tasks, problem.build(data.tasks).to(device))
    if any(True for _ in layout.network.buffers()):
        return None
    by_size = sorted(jobs, key=lambda job: len(job[0]))
    tried = {job: untrained(problem, job, device) for job in (by_size[0], by_size[-1], jobs[0], jobs[-1])}
    try:
        with seeded(0, "probe"):
            _try_step(layout, data, tried)
    except (UnstackableError, *CODE_ERRORS):
        return None
    return layout


def _try_step(layout: Layout, data: SubsetData, networks: Mapping[Job, nn.Module]) -> None:
    """Refuse networks whose gradients in the ensemble are not those they have alone."""
    alone, index, targets, weights = [], [], [], []
    for (subset, _), network in networks.items():
        own = _probe(layout, data, subset)
        index.append(own.numbers)
        targets.append(own.targets)
        weights.append(layout.embed(dict(network.named_parameters()), subset))
        alone.append(layout.embed(_gradients_alone(data, network, subset, own), subset))
    stacked = _gradients_stacked(layout, data, torch.stack(index), torch.cat(targets), weights)
    for name, together in stacked.items():
        one_by_one = torch.stack([gradients[name] for gradients in alone])
        if not torch.allclose(together, one_by_one, rtol=1e-3, atol=1e-4 * float(one_by_one.abs().max())):
            raise UnstackableError(f"gradients of '{name}' differ in the ensemble")


class _Probe(NamedTuple):
    """A few rows with labels of a subset, and their targets for all tasks, padded with unlabelled rows."""

    numbers: Tensor
    targets: Tensor
    rows: int


def _probe(layout: Layout, data: SubsetData, subset: Subset) -> _Probe:
    columns = [position for position, task in enumerate(layout.tasks) if task.name in subset]
    rows = data.train.observed[:, columns].any(dim=1).nonzero().flatten()[:PROBE_ROWS]
    index = F.pad(rows, (0, PROBE_ROWS + PADDING - len(rows)))
    targets = torch.full((len(index), len(layout.tasks)), torch.nan, device=index.device)
    targets[: len(rows), columns] = data.train.targets[rows][:, columns]
    return _Probe(index, targets, len(rows))


def _gradients_alone(data: SubsetData, network: nn.Module, subset: Subset, probe: _Probe) -> Weights:
    columns = [position for position, task in enumerate(data.tasks) if task.name in subset]
    losses = RowLosses([data.tasks[column] for column in columns])
    inputs, targets = select(data.train.inputs, probe.numbers[: probe.rows]), probe.targets[: probe.rows, columns]
    return _gradients(losses(network.train()(inputs), targets).sum(), dict(network.named_parameters()))


def _gradients_stacked(
    layout: Layout, data: SubsetData, index: Tensor, targets: Tensor, weights: Sequence[Weights]
) -> Weights:
    layout.network.train()
    stacked: dict[str, Tensor] = {
        name: torch.stack([own[name] for own in weights]).requires_grad_(whole.requires_grad)
        for name, whole in layout.network.named_parameters()
    }
    outputs = layout.call(stacked, folded(select(data.train.inputs, index.flatten()), index.shape))
    return _gradients(RowLosses(layout.tasks)(outputs, targets).sum(), stacked)


def _gradients(loss: Tensor, weights: Mapping[str, Tensor]) -> Weights:
    found = torch.autograd.grad(loss, [value for value in weights.values() if value.requires_grad], allow_unused=True)
    given = iter(found)
    gradients = {name: next(given) if value.requires_grad else None for name, value in weights.items()}
    return {
        name: torch.zeros_like(weights[name]) if gradient is None else gradient for name, gradient in gradients.items()
    }
