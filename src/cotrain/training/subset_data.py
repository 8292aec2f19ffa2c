"""The rows of one subset of tasks and how much each of their labels counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cotrain.errors import InputError
from cotrain.problem.losses import Outputs, RowLosses
from cotrain.problem.problem import Problem
from cotrain.problem.rows import Rows
from cotrain.problem.task import Subset, Task
from cotrain.seeding import generator


@dataclass(frozen=True, eq=False)
class SubsetData:
    """Training and validation rows with a label for some task of a subset, on the device where it trains.

    Parameters
    ----------
    tasks
        In the order of the subset.
    train, validation
        Rows with the targets of these tasks only.
    label_weights
        ``(tasks,)``: see :func:`label_weights`.
    losses
        Of these tasks per row.
    """

    tasks: tuple[Task, ...]
    train: Rows
    validation: Rows
    label_weights: Tensor
    losses: RowLosses

    @classmethod
    def of(cls, problem: Problem, subset: Subset, device: torch.device) -> SubsetData:
        """Gather the rows of a subset that :func:`trainable` accepted."""
        tasks = problem.tasks_of(subset)
        train, validation = problem.rows_of(subset, "train"), problem.rows_of(subset, "validation")
        weights = label_weights(tasks, train.observed)
        complete = bool(train.observed.all() and validation.observed.all())
        losses = RowLosses(tasks, complete=complete)
        return cls(tasks, train.to(device), validation.to(device), weights.to(device), losses)

    def loss(self, outputs: Outputs, targets: Tensor) -> Tensor:
        """Return the loss of one batch: the mean over its rows of their weighted label losses."""
        return (self.losses(outputs, targets) * self.label_weights).sum() / len(targets)


def label_weights(tasks: Sequence[Task], observed: Tensor) -> Tensor:
    r"""Return how much an observed label of each task counts, ``w_t n / (n_t T)``.

    ``n`` rows, of which ``n_t`` have a label of task ``t``; ``T`` tasks. With these weights the mean over the rows of
    *any* random batch is an unbiased estimate of the mean over tasks of their mean losses, however rare a label is.

    Parameters
    ----------
    tasks
        In the order of the columns of ``observed``.
    observed
        Boolean ``(n, tasks)``.

    Examples
    --------
    >>> label_weights([Task("a"), Task("b")], torch.tensor([[True, True], [True, False]]))
    tensor([0.5000, 1.0000])
    """
    own = torch.tensor([task.weight for task in tasks])
    return own * len(observed) / (observed.sum(dim=0) * len(tasks))


def batches(rows: int, size: int, seed: int, epoch: int) -> tuple[Tensor, ...]:
    """Return the row numbers of each batch of an epoch: random order, sizes at most ``size`` and within one of equal.

    Equal sizes leave no batch of a single row, which batch normalisation would refuse.

    Examples
    --------
    >>> [len(batch) for batch in batches(9, 4, seed=0, epoch=0)]
    [3, 3, 3]
    """
    order = torch.randperm(rows, generator=generator(seed, "batches", epoch))
    return order.tensor_split(steps_per_epoch(rows, size))


def steps_per_epoch(rows: int, size: int) -> int:
    """Return the number of batches of at most ``size`` rows."""
    return -(-rows // size)


def trainable(problem: Problem, subset: Iterable[str]) -> Subset:
    """Return a subset of known tasks, sorted, that can be trained.

    Raises
    ------
    InputError
        When it is empty, a task is unknown or has no training rows, or no task has validation rows.
    """
    subset = problem.subset(subset)
    problems = list(_problems(problem, subset))
    if problems:
        raise InputError(problems)
    return subset


def _problems(problem: Problem, subset: Subset) -> Iterator[str]:
    if not subset:
        yield "`subset` must hold at least one task. Found none."
        return
    columns = [problem.names.index(name) for name in subset]
    counts = problem.splits["train"].observed[:, columns].sum(dim=0).tolist()
    for name, count in zip(subset, counts, strict=True):
        if not count:
            yield f"Task '{name}' must have a label in at least one training row. Found none: leave it out."
    if not problem.splits["validation"].observed[:, columns].any():
        yield f"`subset` must have a label in at least one validation row. Found none for {', '.join(subset)}."
