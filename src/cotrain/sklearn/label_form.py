"""The form labels came in, so that predictions leave in the same: arrays, pandas or polars, one column or many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cotrain import checks
from cotrain.errors import InputError
from cotrain.problem.columns import as_array
from cotrain.problem.readers.arrays import numbered_tasks

Library = Literal["array", "pandas", "polars"]


@dataclass(frozen=True)
class LabelForm:
    """What ``y`` was at :meth:`fit`.

    Parameters
    ----------
    library
        Whose container held it.
    flat
        Whether it was one-dimensional: a list, a vector, a series.
    names
        Of its columns.

    Examples
    --------
    >>> form = LabelForm.of(pd.DataFrame({"ill": [0, 1], "old": [1, 1]}))
    >>> form.wrap([np.array([1]), np.array([0])], X=None)
       ill  old
    0    1    0
    """

    library: Library
    flat: bool
    names: tuple[str, ...]

    @classmethod
    def of(cls, Y: Any) -> LabelForm:
        """Return the form of labels as a user has them."""
        home = type(Y).__module__.split(".")[0]
        library: Library = "pandas" if home == "pandas" else "polars" if home == "polars" else "array"
        shape = Y.shape if hasattr(Y, "shape") else np.shape(as_array(Y))
        if len(shape) not in (1, 2) or 0 in shape:
            raise InputError(f"`y` must be (rows,) or (rows, targets) and not empty. Found shape {tuple(shape)}.")
        names = numbered_tasks(shape[1] if len(shape) == 2 else 1)
        if library != "array":
            names = [str(name) for name in (Y.columns if len(shape) == 2 else [Y.name or names[0]])]
        checks.unique("y", names)
        return cls(library, len(shape) == 1, tuple(names))

    def columns(self, Y: Any) -> list[NDArray[Any]]:
        """Return the columns of labels of this form, in their own types."""
        if self.library == "array":
            matrix = as_array(Y)
            return list(matrix.reshape(len(matrix), -1).T)
        return [_values(one) for one in ([Y] if self.flat else [Y[name] for name in Y.columns])]

    def wrap(self, columns: Sequence[NDArray[Any]], X: Any) -> Any:
        """Return predictions in this form; a pandas one takes over the index of a pandas ``X``."""
        named = dict(zip(self.names, columns, strict=True))
        if self.library == "pandas":
            frame = pd.DataFrame(named, index=X.index if isinstance(X, pd.DataFrame) else None)
            return frame[self.names[0]] if self.flat else frame
        if self.library == "polars":
            import polars as pl

            return pl.Series(self.names[0], columns[0]) if self.flat else pl.DataFrame(named)
        return columns[0] if self.flat else np.stack(columns, axis=1)


def _values(series: Any) -> NDArray[Any]:
    """Return a series as an array that has not become floats because of a gap."""
    nullable = isinstance(series, pd.Series) and isinstance(series.dtype, pd.api.extensions.ExtensionDtype)
    if nullable or getattr(series, "null_count", int)():
        return np.array(series.to_list(), dtype=object)
    return np.asarray(series.to_numpy())
