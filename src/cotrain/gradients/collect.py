"""Collect the gradients of a problem's rows at a base model, in the coordinates of a basis."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import torch
from torch import Tensor, nn

from cotrain import checks
from cotrain.errors import InputError
from cotrain.gradients.bases.basis import Basis
from cotrain.gradients.engine import Engine
from cotrain.gradients.margins import linear_loss
from cotrain.gradients.task_gradients import TaskGradients
from cotrain.problem.problem import Problem, Split
from cotrain.problem.rows import Rows
from cotrain.problem.task import Subset


def collect(
    problem: Problem,
    network: nn.Module,
    subset: Subset,
    split: Split,
    basis: Basis,
    *,
    tasks: Collection[str] | None = None,
    micro_batch: int | None = None,
    device: torch.device | str | None = None,
) -> dict[str, TaskGradients]:
    """Return every task's linearised rows: gradients of margins and residuals, and the values themselves.

    The network is asked in eval mode and left as it was. A task's rows depend on its own labels alone, not on which
    other tasks are collected with it.

    Parameters
    ----------
    problem
        Holds the rows.
    network
        Returns outputs for the tasks of ``subset``, in its order.
    subset
        The tasks that the network was built for.
    split
        Which rows.
    basis
        Chooses the parameters and the coordinates; see :func:`~cotrain.gradients.make_basis`.
    tasks
        Those of ``subset`` that are wanted; all by default.
    micro_batch
        Rows at a time; by default what fits into the engine's working memory.
    device
        Where to work and where results lie; where the network is by default.

    Returns
    -------
    dict
        Task name -> its rows with an observed label, in the order of the split.

    Examples
    --------
    >>> from cotrain.gradients import make_basis
    >>> from cotrain.problem.task import Task
    >>> rows = Rows(torch.randn(6, 3), torch.tensor([[0.0], [1.0]]).repeat(3, 1))
    >>> problem = Problem((Task("a"),), dict.fromkeys(("train", "validation", "test"), rows), lambda _: nn.Linear(3, 1))
    >>> network = nn.Linear(3, 1)
    >>> basis = make_basis("identity", problem, network, ("a",))
    >>> collect(problem, network, ("a",), "train", basis)["a"].features.shape
    torch.Size([6, 4])
    """
    blocks = stream(problem, network, subset, split, basis, tasks=tasks, micro_batch=micro_batch, device=device)
    observed = problem.gradient_rows(split).observed
    whole = {name: _Whole(int(observed[:, problem.names.index(name)].sum())) for name in _wanted(subset, tasks)}
    for name, block in blocks:
        whole[name].append(block)
    return {name: rows.joined for name, rows in whole.items()}


def stream(
    problem: Problem,
    network: nn.Module,
    subset: Subset,
    split: Split,
    basis: Basis,
    *,
    tasks: Collection[str] | None = None,
    micro_batch: int | None = None,
    device: torch.device | str | None = None,
) -> Iterator[tuple[str, TaskGradients]]:
    """Yield what :func:`collect` returns piece by piece: one task's rows of one micro-batch at a time.

    For results larger than memory. Micro-batches are the same whatever other tasks are collected, so a task's rows
    are the same to the last bit.
    """
    names = _wanted(subset, tasks)
    if micro_batch is not None:
        checks.at_least("micro_batch", micro_batch, 1)
    losses = {task.name: linear_loss(task) for task in problem.tasks_of(subset)}
    home = next(network.parameters()).device
    rows = problem.gradient_rows(split).columns([problem.names.index(name) for name in subset])
    engine = Engine(network.to(device or home), problem.tasks_of(subset), basis, rows)
    try:
        for columns, index in _with_the_same_rows(rows, subset, names):
            for sample in torch.split(index, micro_batch or engine.micro_batch):
                block = rows.take(sample).to(torch.device(device or home))
                for column, found in zip(columns, engine.run(block, columns), strict=True):
                    name = subset[column]
                    yield name, TaskGradients(found.features, found.offset, sample, losses[name])
    finally:
        network.to(home)


def _wanted(subset: Subset, tasks: Collection[str] | None) -> tuple[str, ...]:
    for name in tasks or ():
        checks.one_of("tasks", name, subset)
    return tuple(name for name in subset if tasks is None or name in tasks)


def _with_the_same_rows(rows: Rows, subset: Subset, names: tuple[str, ...]) -> list[tuple[list[int], Tensor]]:
    """Bring tasks together (as columns) whose labels are observed on the same rows; with those rows."""
    alike: dict[bytes, list[int]] = {}
    for column in map(subset.index, names):
        alike.setdefault(rows.observed[:, column].cpu().numpy().tobytes(), []).append(column)
    found = [(columns, rows.observed[:, columns[0]].nonzero()[:, 0]) for columns in alike.values()]
    empty = [subset[column] for columns, index in found if not len(index) for column in columns]
    if empty:
        raise InputError(f"`tasks` must have observed labels in the split. Found none for {empty}: leave them out.")
    return found


class _Whole:
    """Blocks of one task's rows, written one after the other to where they stay: nothing is held twice."""

    joined: TaskGradients

    def __init__(self, total: int) -> None:
        self._total, self._filled = total, 0

    def append(self, block: TaskGradients) -> None:
        """Add rows; a block of all rows is kept as it is."""
        if len(block) == self._total:
            self.joined = block
            return
        if not self._filled:
            features, offset, sample = map(self._room_for, (block.features, block.offset, block.sample))
            self.joined = TaskGradients(features, offset, sample, block.loss)
        here = slice(self._filled, self._filled + len(block))
        self.joined.features[here], self.joined.offset[here] = block.features, block.offset
        self.joined.sample[here] = block.sample
        self._filled = here.stop

    def _room_for(self, part: Tensor) -> Tensor:
        return part.new_empty(self._total, *part.shape[1:])
