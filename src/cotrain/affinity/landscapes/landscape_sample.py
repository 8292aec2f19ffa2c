"""The rows a landscape analysis looks at, and their gradients at an untrained network."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor

from cotrain.affinity.landscapes.fitted_heads import fit_head
from cotrain.affinity.landscapes.sample_gradients import SampleGradients, sketched_outputs
from cotrain.affinity.shared_parameters import shared_parameters
from cotrain.problem.problem import Problem
from cotrain.problem.task import Task
from cotrain.seeding import generator
from cotrain.training.flops import flops_per_row
from cotrain.training.subset_data import SubsetData
from cotrain.training.untrained import untrained

Heads: TypeAlias = Literal["same", "fitted"]
_ENOUGH_COMMON_ROWS = 30


class Sampling(NamedTuple):
    """How rows are drawn (``paired``: the same for all tasks) and what heads their gradients go through."""

    rows: int
    paired: bool
    heads: Heads
    sketch_dim: int
    seed: int
    device: torch.device


def has_common_rows(problem: Problem) -> bool:
    """Return whether every two tasks have enough training rows in common to compare them row by row."""
    observed = problem.gradient_rows("train").observed.double()
    common = observed.T @ observed
    fewest = torch.minimum(common.diagonal()[:, None], common.diagonal()[None, :]).clamp(max=_ENOUGH_COMMON_ROWS)
    return bool((common >= fewest).all())


def sample_gradients(problem: Problem, how: Sampling) -> tuple[list[SampleGradients], float]:
    """Return the row gradients of every task, in the order of the problem, and the operations they took.

    Tasks with heads of the same shape share one network, that of the first of them, and its gradients.
    """
    flops, shared = 0.0, shared_parameters(problem)
    drawn = [_draw(problem, column, how) for column in range(len(problem.tasks))]
    if how.heads == "fitted":
        looked_at = {task.name: index for task, index in zip(problem.tasks, drawn, strict=True)}
    else:
        looked_at = {str(task.width): torch.unique(torch.cat(drawn)) for task in problem.tasks}
    sketches: dict[str, tuple[Tensor, Tensor]] = {}
    found = []
    for column, (task, index) in enumerate(zip(problem.tasks, drawn, strict=True)):
        key = task.name if how.heads == "fitted" else str(task.width)
        if key not in sketches:
            sketches[key], own = _sketch(problem, task, looked_at[key], shared, how)
            flops += own
        where = _positions(index, looked_at[key])
        outputs, jacobian = (part[where] for part in sketches[key])
        targets = problem.gradient_rows("train").targets[index, column]
        found.append(SampleGradients(task, index, outputs, targets, jacobian))
    return found, flops


def _draw(problem: Problem, column: int, how: Sampling) -> Tensor:
    """Return a task's rows in random order: all tasks prefer the same ones, or each its own."""
    observed = problem.gradient_rows("train").observed[:, column].cpu()
    if how.paired:
        order = torch.randperm(len(observed), generator=generator(how.seed, "rows"))
        return order[observed[order]][: how.rows]
    own = observed.nonzero()[:, 0]
    return own[torch.randperm(len(own), generator=generator(how.seed, "rows", problem.tasks[column].name))][: how.rows]


def _sketch(
    problem: Problem, task: Task, index: Tensor, shared: tuple[str, ...], how: Sampling
) -> tuple[tuple[Tensor, Tensor], float]:
    """Return outputs and sketches of one network, and the operations they took, from a count on one batch."""
    network, data = (
        untrained(problem, ((task.name,), how.seed), how.device),
        SubsetData.of(problem, (task.name,), how.device),
    )
    per_row = flops_per_row(network, data, problem.training.batch_size)
    entries = sum(network.get_parameter(name).numel() for name in shared)
    flops = len(index) * task.width * (per_row.step + 2 * entries * how.sketch_dim)
    if how.heads == "fitted":
        fit_head(problem, task.name, network, shared=shared)
        flops += len(data.train) * per_row.step
    inputs = problem.gradient_rows("train").take(index).inputs
    return sketched_outputs(network, task, inputs, shared, dim=how.sketch_dim, seed=how.seed), flops


def _positions(index: Tensor, within: Tensor) -> Tensor:
    order = within.argsort()
    return order[torch.searchsorted(within[order], index)]
