"""A problem: tasks, their data, and how to build and train a network for any subset of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, Unpack, get_args

import torch
from torch import Tensor, nn

from cotrain import checks
from cotrain.errors import InputError
from cotrain.problem.encoding import Encoder
from cotrain.problem.options import TrainingOptions
from cotrain.problem.rows import Rows
from cotrain.problem.task import Subset, Task

if TYPE_CHECKING:
    from cotrain.problem.readers.options import ReaderKeywords

Split: TypeAlias = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
NetworkFactory: TypeAlias = Callable[[Sequence[Task]], nn.Module]
"""Builds a network for some tasks; it maps inputs to :data:`~cotrain.problem.losses.Outputs` in their order."""


@dataclass(frozen=True, eq=False)
class Problem:
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
    """

    tasks: tuple[Task, ...]
    splits: Mapping[Split, Rows]
    build: NetworkFactory
    training: TrainingOptions = field(default_factory=TrainingOptions)
    name: str = "problem"
    encoder: Encoder | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        checks.unique("tasks", self.names)
        missing = [split for split in SPLITS if split not in self.splits]
        if missing:
            raise InputError(f"`splits` must hold train, validation and test rows. Missing: {', '.join(missing)}.")

    def __repr__(self) -> str:
        sizes = ", ".join(f"{len(self.splits[split])} {split}" for split in SPLITS)
        return f"Problem({self.name!r}: {len(self.tasks)} tasks; rows: {sizes})"

    @classmethod
    def from_table(
        cls,
        data: Any,
        *,
        targets: Sequence[str],
        inputs: Sequence[str] | None = None,
        ignore: Sequence[str] = (),
        missing_inputs: Literal["refuse", "impute"] = "refuse",
        **options: Unpack[ReaderKeywords],
    ) -> Problem:
        """Read a table: some columns are predicted from others.

        Numeric inputs are standardised and text inputs become one column per category, both learned on training rows;
        ``problem.encoder`` encodes new rows the same way.

        Parameters
        ----------
        data
            A pandas or polars data frame, a mapping of columns, or a CSV or Parquet file.
        targets
            Columns to predict; an empty cell is a missing label.
        inputs
            Columns to predict from: by default all but the targets, the split column and those of ``ignore``.
        ignore
            Columns that are neither.
        missing_inputs
            Whether empty cells of inputs are refused, or imputed: the median of the training rows and, where those
            have gaps too, a further column that marks them; in text, a category of their own.
        **options
            See :class:`~cotrain.problem.readers.options.ReaderOptions`; ``split`` names a column.

        Examples
        --------
        >>> import pandas as pd
        >>> table = pd.DataFrame({"age": range(50), "colour": ["red", "blue"] * 25, "ill": ["no", "yes"] * 25})
        >>> problem = Problem.from_table(table, targets=["ill"], name="visits")
        >>> problem, problem.tasks[0].labels
        (Problem('visits': 1 tasks; rows: 30 train, 10 validation, 10 test), ('no', 'yes'))
        """
        from cotrain.problem.readers.options import ReaderOptions
        from cotrain.problem.readers.table import read_table

        return read_table(
            data,
            ReaderOptions(**options),
            targets=targets,
            inputs=inputs,
            ignore=ignore,
            missing_inputs=missing_inputs,
        )

    @classmethod
    def from_arrays(
        cls,
        X: Any,
        Y: Any,
        *,
        tasks: Sequence[str] | None = None,
        standardise: bool = True,
        **options: Unpack[ReaderKeywords],
    ) -> Problem:
        """Read one matrix of inputs that all tasks share, and one of labels.

        Parameters
        ----------
        X
            ``(rows, features)``: array, tensor, data frame of numbers, or SciPy sparse matrix (made dense: rows x
            features x 4 bytes). NaN and infinity are refused.
        Y
            ``(rows, tasks)``; NaN (or None) where a label is missing.
        tasks
            Names of the columns of ``Y``; by default its column names, or ``task0``, ``task1``, ...
        standardise
            Shift and scale inputs to mean 0 and deviation 1 over training rows, columns of zeros and ones excepted.
        **options
            See :class:`~cotrain.problem.readers.options.ReaderOptions`; ``split`` is an array of codes.

        Examples
        --------
        >>> import numpy as np
        >>> X = np.random.default_rng(0).normal(size=(50, 3))
        >>> Problem.from_arrays(X, X[:, :2] > 0, tasks=["a", "b"], name="signs")
        Problem('signs': 2 tasks; rows: 30 train, 10 validation, 10 test)
        """
        from cotrain.problem.readers.arrays import read_arrays
        from cotrain.problem.readers.options import ReaderOptions

        return read_arrays(X, Y, ReaderOptions(**options), tasks=tasks, standardise=standardise)

    @classmethod
    def from_npz(
        cls,
        path: str | Path,
        *,
        targets: Sequence[str] | None = None,
        standardise: bool = True,
        **options: Unpack[ReaderKeywords],
    ) -> Problem:
        """Read an NPZ file (never unpickled).

        It holds ``tasks`` (names), the inputs ``X`` (rows, features), or ``X_packed`` (bits packed along axis 1) with
        ``n_features``, and one of:

        * ``Y`` (rows, tasks), NaN where a label is missing; packed along axis 0 where ``n_rows`` is there;
        * ``y`` (rows,) and ``task_id`` (rows,): every task has rows of its own.

        ``split`` (0, 1, 2), ``n_classes`` by task and ``features`` (names) are used when there. Without ``n_classes``,
        a target of two values is binary, other integers are classes if few, other floats are a regression.

        Parameters
        ----------
        path
            The file.
        targets
            The tasks to use; all by default.
        standardise
            As in :meth:`from_arrays`.
        **options
            See :class:`~cotrain.problem.readers.options.ReaderOptions`; ``split`` is the name of an array.
        """
        from cotrain.problem.readers.npz import read_npz
        from cotrain.problem.readers.options import ReaderOptions

        return read_npz(path, ReaderOptions(**options), targets=targets, standardise=standardise)

    @classmethod
    def from_toml(cls, path: str | Path) -> Problem:
        """Read a TOML file that names the data and how to read it.

        Its keys are the parameters of :meth:`from_table`, or of :meth:`from_npz` for an NPZ file, and ``data``::

            data = "wine.csv"                   # CSV, Parquet or NPZ; relative paths start beside this file
            targets = ["cultivar", "alcohol"]   # columns to predict
            ignore = ["bottle"]                 # or inputs = [...]: by default all other columns
            kinds = { cultivar = "multiclass" } # the rest is inferred
            metrics = { alcohol = "rmse" }
            weights = { alcohol = 0.5 }         # of the loss in training
            helpers = ["alcohol"]               # may join groups, need not be served
            missing_inputs = "impute"           # or "refuse"
            unusable = "drop"                   # or "refuse": targets that are constant or empty in a split
            split = "part"                      # a column of 0, 1, 2; or a seeded split:
            fractions = [0.6, 0.2, 0.2]
            seed = 0

            [network]                           # fields of NetworkOptions
            hidden = [64]

            [training]                          # fields of TrainingOptions
            epochs = 100

        Raises
        ------
        InputError
            With everything wrong in the file and in the data it names.
        """
        from cotrain.problem.readers.toml import read_toml

        return read_toml(path)

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

    def with_tasks(self, names: Sequence[str]) -> Problem:
        """Return the problem with only the tasks ``names``, in that order."""
        index = [self.names.index(name) for name in names]
        splits: dict[Split, Rows] = {split: rows.columns(index) for split, rows in self.splits.items()}
        return replace(self, tasks=tuple(self.tasks[i] for i in index), splits=splits)

    @cached_property
    def fingerprint(self) -> str:
        """Digest of tasks, data and training options: what a stored result depends on, networks aside."""
        digest = hashlib.sha256(repr(([task.described for task in self.tasks], self.training)).encode())
        for split in SPLITS:
            rows = self.splits[split]
            parts = {"": rows.inputs} if isinstance(rows.inputs, Tensor) else dict(rows.inputs)
            for name, part in [*sorted(parts.items()), ("targets", rows.targets)]:
                digest.update(f"{split}/{name}/{part.dtype}/{tuple(part.shape)}".encode())
                digest.update(part.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()
