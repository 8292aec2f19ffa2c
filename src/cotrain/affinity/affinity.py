"""The result of an estimate: who helps whom, how sure we are, what it cost, whom to cite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cotrain import checks, files
from cotrain.affinity.subset_losses import SubsetLosses
from cotrain.affinity.surrogates.gain_model import GainModel, Prediction
from cotrain.affinity.surrogates.saved import model_arrays, model_of
from cotrain.cost import Cost
from cotrain.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_KIND = "Affinity"
_MOST_COLOURED = 40
"""Tasks up to which a notebook shows the matrix in full and in colour; the style of each square is text."""


@dataclass(frozen=True, eq=False)
class Affinity:
    """Affinities ``A[target, source]``: benefit to ``target`` when ``source`` trains with it.

    Parameters
    ----------
    tasks
        Task names, in the order of rows and columns.
    matrix
        ``(tasks, tasks)``; higher is better. In gain units the diagonal is zero: a task alone neither gains nor loses.
    standard_error
        ``(tasks, tasks)``; NaN where not known.
    counts
        ``(tasks, tasks)``: number of subsets behind each entry; zero means the entry is not known (NaN).
    method
        Name of the estimator.
    unit
        ``"gain"`` (a share of the loss alone) or what else an entry means, such as ``"cosine"``.
    subset_losses
        The losses behind the matrix, where the method estimates losses.
    cost
        What the estimate cost.
    warnings
        What a careful reader should know before trusting it.
    citation
        BibTeX of the method.
    model
        Predicts gains of any subset, where the method learned one.

    Examples
    --------
    >>> affinity = Affinity.from_matrix(["a", "b"], [[0.0, 0.1], [-0.2, 0.0]])
    >>> affinity
    Affinity('given': 2 tasks, 0.1 best, -0.2 worst)
    >>> affinity.to_frame().loc["b", "a"].item()
    -0.2
    """

    tasks: tuple[str, ...]
    matrix: NDArray[np.float64]
    standard_error: NDArray[np.float64]
    counts: NDArray[np.int64]
    method: str = "given"
    unit: str = "gain"
    subset_losses: SubsetLosses | None = None
    cost: Cost = field(default_factory=Cost)
    warnings: tuple[str, ...] = ()
    citation: str = ""
    model: GainModel | None = None

    def __post_init__(self) -> None:
        checks.unique("tasks", self.tasks)
        shape = (len(self.tasks), len(self.tasks))
        for name in ("matrix", "standard_error", "counts"):
            found = getattr(self, name).shape
            if found != shape:
                raise InputError(f"`{name}` must have shape (tasks, tasks) = {shape}. Found {found}.")
        if self.subset_losses is not None and self.subset_losses.tasks != self.tasks:
            raise InputError("`subset_losses` must have the same tasks in the same order as the affinity.")

    def __repr__(self) -> str:
        off = self.matrix[~np.eye(len(self.tasks), dtype=bool)]
        off = off[np.isfinite(off)]
        span = f", {off.max():.3g} best, {off.min():.3g} worst" if off.size else ""
        return f"Affinity({self.method!r}: {len(self.tasks)} tasks{span})"

    def _repr_html_(self) -> str:
        if len(self.tasks) > _MOST_COLOURED:
            html: str = self.to_frame().to_html(max_rows=10, max_cols=10, float_format="{:.3f}".format, na_rep="?")
            return html
        limit = float(np.nanmax(np.abs(self.matrix), initial=1e-12))
        style = self.to_frame().style.format("{:.3f}", na_rep="?").format_index(escape="html", axis=0)
        style = style.format_index(escape="html", axis=1)
        return style.background_gradient(cmap="RdBu", axis=None, vmin=-limit, vmax=limit).to_html()

    @classmethod
    def from_matrix(
        cls, tasks: Sequence[str], matrix: Any, *, standard_error: Any = None, unit: str = "gain"
    ) -> Affinity:
        """Wrap a matrix you already have; anything ``numpy.asarray`` accepts, row = affected task."""
        values = np.asarray(matrix, dtype=np.float64)
        errors = np.full_like(values, np.nan) if standard_error is None else np.asarray(standard_error, np.float64)
        return cls(tuple(tasks), values, errors, np.isfinite(values).astype(np.int64), unit=unit)

    def predict(self, mask: NDArray[np.bool_]) -> Prediction:
        """Return what the affinity says of every task in every subset ``mask (subsets, tasks)``.

        What its model says; without one, the gain of the very subset where ``subset_losses`` knows it, else the mean
        affinity to the partners. A task alone gains nothing.
        """
        if self.model is not None:
            columns = [self.model.tasks.index(name) for name in self.tasks]
            wide = np.zeros((len(mask), len(self.model.tasks)), dtype=bool)
            wide[:, columns] = mask
            return Prediction(*(part[:, columns] for part in self.model.predict(wide)))
        partners = np.maximum(mask.sum(axis=1, keepdims=True) - 1, 1)
        off = ~np.eye(len(self.tasks), dtype=bool)
        mean = np.where(mask, mask @ np.where(off, self.matrix, 0.0).T / partners, np.nan)
        square = np.where(mask, mask @ np.where(off, self.standard_error, 0.0).T ** 2 / partners**2, np.nan)
        return self._corrected(mask, mean, np.sqrt(square))

    def _corrected(self, mask: NDArray[np.bool_], gain: NDArray[np.float64], error: NDArray[np.float64]) -> Prediction:
        """Return predictions with the gains of known subsets in their places."""
        if (losses := self.subset_losses) is not None:
            known = {row.tobytes(): number for number, row in enumerate(losses.mask)}
            own_gain, own_error = losses.gain(), losses.gain_error()
            for at, row in enumerate(mask):
                if (number := known.get(row.tobytes())) is not None:
                    certain = np.isfinite(own_gain[number])
                    gain[at, certain], error[at, certain] = own_gain[number, certain], own_error[number, certain]
        return Prediction(gain, error)

    def to_frame(self) -> pd.DataFrame:
        """Return the matrix as a table; rows are targets, columns sources."""
        return pd.DataFrame(
            self.matrix, index=pd.Index(self.tasks, name="target"), columns=pd.Index(self.tasks, name="source")
        )

    def with_tasks(self, names: Sequence[str]) -> Affinity:
        """Return the affinity among ``names`` only, in that order."""
        index = [self.tasks.index(name) for name in names]
        grid = np.ix_(index, index)
        losses = None if self.subset_losses is None else self.subset_losses.with_tasks(names)
        parts = (self.matrix[grid], self.standard_error[grid], self.counts[grid])
        return replace(
            self, tasks=tuple(names), matrix=parts[0], standard_error=parts[1], counts=parts[2], subset_losses=losses
        )  # fmt: skip

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Save as one NPZ archive without pickles."""
        header = {
            "tasks": self.tasks, "method": self.method, "unit": self.unit, "cost": self.cost.to_dict(),
            "warnings": self.warnings, "citation": self.citation,
            "model": None if self.model is None else self.model.kind,
        }  # fmt: skip
        arrays: dict[str, NDArray[Any]] = {
            "matrix": self.matrix, "standard_error": self.standard_error, "counts": self.counts,
            **model_arrays(self.model),
        }  # fmt: skip
        if self.subset_losses is not None:
            table = self.subset_losses
            arrays |= {"subset_mask": table.mask, "subset_loss": table.loss}
            arrays |= {"subset_standard_error": table.standard_error, "subset_source": table.source}
        files.save_archive(path, _KIND, header, arrays, overwrite=overwrite)

    @classmethod
    def load(cls, path: str | Path) -> Affinity:
        """Load what :meth:`save` saved."""
        header, arrays = files.load_archive(path, _KIND)
        tasks = tuple(header.pop("tasks"))
        names = ("subset_mask", "subset_loss", "subset_standard_error", "subset_source")
        losses = SubsetLosses(tasks, *(arrays[name] for name in names)) if names[0] in arrays else None
        matrices = (arrays["matrix"], arrays["standard_error"], arrays["counts"])
        return cls(
            tasks, *matrices, header["method"], header["unit"], losses, Cost(**header["cost"]),
            tuple(header["warnings"]), header["citation"], model_of(header.get("model"), arrays),
        )  # fmt: skip

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the clustered heat map; see :func:`cotrain.reporting.figures.affinity_heatmap`."""
        from cotrain.reporting.figures import affinity_heatmap

        return affinity_heatmap(self, ax=ax)
