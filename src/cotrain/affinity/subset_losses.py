"""The joint of the house: a table (subset, task) -> loss, measured or estimated, with its standard error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cotrain import checks, files
from cotrain.errors import InputError, MissingExtraError
from cotrain.problem.task import Subset

Source: TypeAlias = Literal["measured", "estimated"]
_KIND = "SubsetLosses"


@dataclass(frozen=True, eq=False)
class SubsetLosses:
    """Losses of tasks after training in subsets.

    Parameters
    ----------
    tasks
        Task names, in column order.
    mask
        Boolean ``(subsets, tasks)``: who trained together.
    loss
        ``(subsets, tasks)``, lower is better; NaN outside ``mask`` (and where a loss is not known).
    standard_error
        ``(subsets, tasks)``; NaN where not known.
    source
        ``(subsets,)`` of ``"measured"`` or ``"estimated"``.

    Examples
    --------
    >>> losses = SubsetLosses.from_dict({("a",): {"a": 0.5}, ("b",): {"b": 0.4}, ("a", "b"): {"a": 0.4, "b": 0.5}})
    >>> losses.gain().round(2).tolist()
    [[0.0, nan], [nan, 0.0], [0.2, -0.25]]
    """

    tasks: tuple[str, ...]
    mask: NDArray[np.bool_]
    loss: NDArray[np.float64]
    standard_error: NDArray[np.float64]
    source: NDArray[np.str_]

    def __post_init__(self) -> None:
        checks.unique("tasks", self.tasks)
        shape = (len(self.source), len(self.tasks))
        for name in ("mask", "loss", "standard_error"):
            found = getattr(self, name).shape
            if found != shape:
                raise InputError(f"`{name}` must have shape (subsets, tasks) = {shape}. Found {found}.")
        if np.isfinite(self.loss[~self.mask]).any():
            raise InputError("`loss` must be NaN outside `mask`. Found a loss for a task that is not in its subset.")

    def __len__(self) -> int:
        return len(self.mask)

    def __repr__(self) -> str:
        measured = int((self.source == "measured").sum())
        return f"SubsetLosses({len(self)} subsets of {len(self.tasks)} tasks: {measured} measured)"

    @classmethod
    def from_dict(
        cls,
        losses: Mapping[Iterable[str], Mapping[str, float]],
        *,
        tasks: Sequence[str] = (),
        source: Source = "measured",
    ) -> SubsetLosses:
        """Build a table from ``{subset: {task: loss}}``; ``tasks`` fixes the order (default: sorted)."""
        subsets = [frozenset(subset) for subset in losses]
        names = tuple(tasks) or tuple(sorted(frozenset().union(*subsets)))
        mask = np.array([[name in subset for name in names] for subset in subsets], dtype=bool).reshape(-1, len(names))
        rows = [[row.get(name, np.nan) for name in names] for row in losses.values()]
        loss = np.array(rows, dtype=np.float64).reshape(mask.shape)
        return cls(names, mask, loss, np.full(mask.shape, np.nan), np.full(len(mask), source))

    @classmethod
    def from_seeds(
        cls, tasks: Sequence[str], mask: NDArray[np.bool_], losses: NDArray[np.float64], *, source: Source = "measured"
    ) -> SubsetLosses:
        """Average losses ``(seeds, subsets, tasks)`` over seeds; one seed tells no standard error."""
        seeds = len(losses)
        losses = np.where(mask, losses, np.nan)
        error = losses.std(axis=0, ddof=1) / np.sqrt(seeds) if seeds > 1 else np.full(mask.shape, np.nan)
        return cls(tuple(tasks), mask, losses.mean(axis=0), error, np.full(len(mask), source))

    @cached_property
    def subsets(self) -> tuple[Subset, ...]:
        """The subset of each row, as sorted names."""
        names = np.array(self.tasks)
        return tuple(tuple(sorted(names[row].tolist())) for row in self.mask)

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """Number of tasks in each subset."""
        sizes: NDArray[np.int64] = self.mask.sum(axis=1)
        return sizes

    @cached_property
    def alone(self) -> NDArray[np.float64]:
        """Loss of each task trained alone ``(tasks,)``: the mean over its single-task rows; NaN without one."""
        single = self.mask & (self.sizes == 1)[:, None]
        values = np.where(single, self.loss, np.nan)
        known = np.isfinite(values)
        count = known.sum(axis=0)
        mean: NDArray[np.float64] = np.where(known, values, 0.0).sum(axis=0) / np.where(count, count, np.nan)
        return mean

    def gain(self) -> NDArray[np.float64]:
        """Return ``1 - loss_i(S) / loss_i({i})`` as ``(subsets, tasks)``; positive means better than alone."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return 1.0 - self.loss / self.alone

    def gain_error(self) -> NDArray[np.float64]:
        """Return the standard error of :meth:`gain`, taking the loss alone as known: ``error / loss_i({i})``."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.standard_error / np.abs(self.alone)

    def where(self, keep: NDArray[np.bool_]) -> SubsetLosses:
        """Return the rows at ``keep``."""
        return SubsetLosses(self.tasks, self.mask[keep], self.loss[keep], self.standard_error[keep], self.source[keep])

    def with_tasks(self, names: Sequence[str]) -> SubsetLosses:
        """Return the table with its columns as ``names``: reordered, or fewer (then only subsets within ``names``)."""
        index = [self.tasks.index(name) for name in names]
        inside = self.mask.sum(axis=1) == self.mask[:, index].sum(axis=1)
        parts = (self.mask, self.loss, self.standard_error)
        mask, loss, error = (part[inside][:, index] for part in parts)
        return SubsetLosses(tuple(names), mask, loss, error, self.source[inside])

    def __add__(self, other: SubsetLosses) -> SubsetLosses:
        other = other.with_tasks(self.tasks)
        pairs = [(getattr(self, name), getattr(other, name)) for name in ("mask", "loss", "standard_error", "source")]
        return SubsetLosses(self.tasks, *(np.concatenate(pair) for pair in pairs))

    def to_frame(self) -> pd.DataFrame:
        """Return one row per (subset, task): columns subset (a number), task, loss, standard_error, source."""
        subset, task = np.nonzero(self.mask)
        return pd.DataFrame(
            {
                "subset": subset,
                "task": np.array(self.tasks)[task],
                "loss": self.loss[subset, task],
                "standard_error": self.standard_error[subset, task],
                "source": self.source[subset],
            }
        )

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> SubsetLosses:
        """Build a table from what :meth:`to_frame` returns; ``standard_error`` and ``source`` may be absent."""
        absent = [name for name in ("subset", "task", "loss") if name not in frame]
        if absent:
            raise InputError(f"The table needs columns subset, task, loss. Missing: {', '.join(absent)}.")
        names = tuple(dict.fromkeys(frame["task"].astype(str)))
        codes = np.asarray(pd.factorize(frame["subset"])[0])
        column = np.array([names.index(name) for name in frame["task"].astype(str)])
        shape = (int(codes.max(initial=-1)) + 1, len(names))
        mask, loss, error = np.zeros(shape, dtype=bool), np.full(shape, np.nan), np.full(shape, np.nan)
        source: NDArray[np.str_] = np.full(shape[0], "measured", dtype="<U9")
        mask[codes, column] = True
        loss[codes, column] = frame["loss"].to_numpy(dtype=np.float64)
        if "standard_error" in frame:
            error[codes, column] = frame["standard_error"].to_numpy(dtype=np.float64)
        if "source" in frame:
            source[codes] = frame["source"].to_numpy(dtype=str)
        return cls(names, mask, loss, error, source)

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Save as ``.csv``, ``.parquet`` (extra ``parquet``) or ``.npz``, by the suffix of ``path``."""
        path = Path(path)
        checks.one_of("path", path.suffix, (".csv", ".parquet", ".npz"))
        if path.suffix == ".npz":
            arrays = {
                "mask": self.mask,
                "loss": self.loss,
                "standard_error": self.standard_error,
                "source": self.source,
            }
            files.save_archive(path, _KIND, {"tasks": self.tasks}, arrays, overwrite=overwrite)
            return
        files.refuse_overwriting(path, overwrite=overwrite)
        frame = self.to_frame()
        if path.suffix == ".csv":
            files.write_text(path, frame.to_csv(index=False))
        else:
            _require_pyarrow("writing Parquet files")
            files.write_atomically(path, lambda stream: frame.to_parquet(stream, index=False))

    @classmethod
    def load(cls, path: str | Path) -> SubsetLosses:
        """Load what :meth:`save` saved, or any CSV or Parquet file with columns subset, task, loss."""
        path = Path(path)
        checks.one_of("path", path.suffix, (".csv", ".parquet", ".npz"))
        if path.suffix == ".npz":
            header, arrays = files.load_archive(path, _KIND)
            return cls(tuple(header["tasks"]), **arrays)
        if not path.exists():
            raise InputError(f"`path` must be an existing file. '{path}' does not exist.")
        if path.suffix == ".parquet":
            _require_pyarrow("reading Parquet files")
            return cls.from_frame(pd.read_parquet(path))
        return cls.from_frame(pd.read_csv(path))


def _require_pyarrow(purpose: str) -> None:
    try:
        import pyarrow as pa  # noqa: F401
    except ImportError:
        raise MissingExtraError(purpose, extra="parquet") from None
