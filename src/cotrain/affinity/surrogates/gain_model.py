"""What every model of gains promises."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Prediction(NamedTuple):
    """Gains of tasks in subsets ``(subsets, tasks)`` with their standard errors; NaN outside a subset."""

    gain: Floats
    standard_error: Floats


class GainModel(Protocol):
    """Predicts the gain of every task in any subset; made of plain arrays, so that it can be saved."""

    kind: ClassVar[str]

    @property
    def tasks(self) -> tuple[str, ...]:
        """Task names, in the order of a mask's columns."""
        ...

    def predict(self, mask: NDArray[np.bool_]) -> Prediction:
        """Return the gains of the subsets ``mask (subsets, tasks)``."""
        ...

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that :meth:`from_arrays` needs."""
        ...

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the model that was saved."""
        ...
