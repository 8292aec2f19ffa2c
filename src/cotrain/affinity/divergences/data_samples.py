"""Samples of the tasks' data: which training rows belong to which task or class, and their features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cotrain.errors import InputError
from cotrain.problem.problem import Problem
from cotrain.problem.rows import Inputs
from cotrain.problem.task import Task
from cotrain.seeding import generator

Parts: TypeAlias = Literal["inputs", "classes"]
Embedding: TypeAlias = Callable[[Inputs], Any]
"""Maps the inputs of a problem to numbers ``(rows, k)``: anything ``numpy.asarray`` takes."""
_BINS = 3


@dataclass(frozen=True, eq=False)
class DataSamples:
    """Samples of rows, one per task or one per class of a task.

    Parameters
    ----------
    features
        ``(rows, k)``, every row once.
    member
        Boolean ``(samples, rows)``: who is in which sample; a row may be in several.
    task
        ``(samples,)``: number of each sample's task, ascending.
    """

    features: Tensor
    member: Tensor
    task: NDArray[np.int64]


def has_own_rows(problem: Problem) -> bool:
    """Return whether most training rows have the label of one task only."""
    labels = problem.splits["train"].observed.sum(dim=1)
    return bool((labels == 1).sum() > len(labels) / 2)


def data_samples(problem: Problem, parts: Parts, *, rows: int, embedding: Embedding | None, seed: int) -> DataSamples:
    """Draw rows of every task and sort them into samples.

    All tasks prefer the same rows, so that those with the same labels have the same samples.
    """
    train = problem.splits["train"]
    order = torch.randperm(len(train), generator=generator(seed, "rows"))
    drawn = torch.zeros_like(train.observed)
    for column in range(len(problem.tasks)):
        drawn[order[train.observed[order, column]][:rows], column] = True
    used = drawn.any(dim=1).nonzero()[:, 0]
    drawn, targets = drawn[used], train.targets[used]
    members, owner = [], []
    for column, task in enumerate(problem.tasks):
        own = _classes(task, targets[:, column], drawn[:, column]) if parts == "classes" else drawn[:, column][None]
        members.append(own)
        owner += [column] * len(own)
    features = _features(train.take(used).inputs, embedding)
    return DataSamples(features, torch.cat(members), np.array(owner))


def _classes(task: Task, targets: Tensor, drawn: Tensor) -> Tensor:
    """Return the rows of each class ``(classes, rows)``; the thirds of a regression."""
    if task.kind == "regression":
        edges = torch.quantile(targets[drawn], torch.linspace(0, 1, _BINS + 1)[1:-1].to(targets))
        codes = torch.bucketize(targets.nan_to_num(), edges)
    else:
        codes = targets.nan_to_num().long()
    classes = torch.unique(codes[drawn])
    members: Tensor = (codes == classes[:, None]) & drawn
    return members


def _features(inputs: Inputs, embedding: Embedding | None) -> Tensor:
    if embedding is not None:
        found = torch.as_tensor(np.asarray(embedding(inputs)), dtype=torch.float32)
        return found.flatten(1)
    tensors = [inputs] if isinstance(inputs, Tensor) else [inputs[name] for name in sorted(inputs)]
    if not all(tensor.is_floating_point() for tensor in tensors):
        raise InputError(
            "`embedding` must be given where inputs are not measurements. Found whole numbers, as of tokens: pass a "
            "function that maps inputs to features."
        )
    return torch.cat([tensor.flatten(1).float() for tensor in tensors], dim=1)
