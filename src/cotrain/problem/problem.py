"""A problem: tasks, their data, and how to build and train a network for any subset of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, TypeAlias, get_args

import torch
from torch import Tensor, nn

from cotrain import checks
from cotrain.errors import InputError
from cotrain.problem.constructors import Constructors
from cotrain.problem.encoding import Encoder
from cotrain.problem.options import TrainingOptions
from cotrain.problem.rows import Rows
from cotrain.problem.task import Subset, Task

Split: TypeAlias = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
NetworkFactory: TypeAlias = Callable[[Sequence[Task]], nn.Module]
"""Builds a network for some tasks; it maps inputs to :data:`~cotrain.problem.losses.Outputs` in their order."""


@dataclass(frozen=True, eq=False)
class Problem(Constructors):
    """What is learned: tasks, data and a network for any subset of the tasks.

    Use a reader (``Problem.from_table``, ``from_arrays``, ``from_datasets``, ``from_module``, ``from_npz``,
    ``from_toml``) rather than the constructor.

    Parameters
    ----------
    tasks
        In the order of the columns of the targets.
    splits
        Rows for ``"train"``, ``"validation"`` and ``"test"``.
    build
        Builds an untrained network for some tasks. It is called under a seed; order and global state do not matter.
    training
        How networks are trained.
    name
        Shown in reports.
    encoder
        Encodes new rows the way these were, where the reader encoded them.
    recipe
        How the problem was read, every option resolved, as plain values that ``problem.toml`` can hold.
    pieces
        By split, where rows are made of several predictions: a row for each of these, whose mean loss is that of
        ``splits``. A sequence has a row for each of its tokens.
    """

    tasks: tuple[Task, ...]
    splits: Mapping[Split, Rows]
    build: NetworkFactory
    training: TrainingOptions = field(default_factory=TrainingOptions)
    name: str = "problem"
    encoder: Encoder | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)
    pieces: Mapping[Split, Rows] = field(default_factory=dict)

    def __post_init__(self) -> None:
        checks.unique("tasks", self.names)
        missing = [split for split in SPLITS if split not in self.splits]
        if missing:
            raise InputError(f"`splits` must hold train, validation and test rows. Missing: {', '.join(missing)}.")

    def __repr__(self) -> str:
        sizes = ", ".join(f"{len(self.splits[split])} {split}" for split in SPLITS)
        return f"Problem({self.name!r}: {len(self.tasks)} tasks; rows: {sizes})"

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Task names in column order."""
        return tuple(task.name for task in self.tasks)

    @cached_property
    def served(self) -> tuple[str, ...]:
        """Names of the tasks that must be served: all but helpers."""
        return tuple(task.name for task in self.tasks if not task.helper)

    def subset(self, names: Iterable[str]) -> Subset:
        """Return ``names`` as a subset: checked, sorted, without repeats.

        Raises
        ------
        InputError
            When a name is unknown.
        """
        chosen = tuple(sorted(set(names)))
        for name in chosen:
            checks.one_of("subset", name, self.names)
        return chosen

    def tasks_of(self, subset: Subset) -> tuple[Task, ...]:
        """Return the tasks of a subset in its order."""
        return tuple(self.tasks[self.names.index(name)] for name in subset)

    def rows_of(self, subset: Subset, split: Split) -> Rows:
        """Return the rows of ``split`` that have a label for some task of ``subset``, with its targets only."""
        rows = self.splits[split].columns([self.names.index(name) for name in subset])
        present = rows.observed.any(dim=1)
        return rows if bool(present.all()) else rows.take(present)

    def gradient_rows(self, split: Split) -> Rows:
        """Return the rows whose gradients are taken: those of the split, in pieces where they are made of several."""
        return self.pieces.get(split, self.splits[split])

    def with_tasks(self, names: Sequence[str]) -> Problem:
        """Return the problem with only the tasks ``names``, in that order."""
        index = [self.names.index(name) for name in names]
        splits: dict[Split, Rows] = {split: rows.columns(index) for split, rows in self.splits.items()}
        pieces: dict[Split, Rows] = {split: rows.columns(index) for split, rows in self.pieces.items()}
        return replace(self, tasks=tuple(self.tasks[i] for i in index), splits=splits, pieces=pieces)

    @cached_property
    def fingerprint(self) -> str:
        """Digest of tasks, data and training options: what a stored result depends on, networks aside."""
        digest = hashlib.sha256(repr(([task.described for task in self.tasks], self.training.described)).encode())
        for split in SPLITS:
            rows = self.splits[split]
            parts = {"": rows.inputs} if isinstance(rows.inputs, Tensor) else dict(rows.inputs)
            for name, part in [*sorted(parts.items()), ("targets", rows.targets)]:
                digest.update(f"{split}/{name}/{part.dtype}/{tuple(part.shape)}".encode())
                digest.update(part.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()
