"""Inputs as a network wants them, with what was learned on training rows kept for new ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler

LIMIT = 10.0
"""Deviations beyond which a standardised input is held."""


class Encoder(Protocol):
    """What turns rows as the user has them into rows as a network takes them, new ones too."""

    def transform(self, rows: Any, /) -> NDArray[np.float32]:
        """Return encoded rows."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Return everything learned as plain values."""
        ...


@dataclass(frozen=True)
class Standardiser:
    """Shifts and scales the columns of a matrix; columns of zeros and ones stay as they are.

    Results beyond ten deviations are held there, so that one broken reading cannot decide a whole task's loss.

    Parameters
    ----------
    center, scale
        One number per column: 0 and 1 where the training rows held only zeros and ones; scale 1 where a column was
        constant.

    Examples
    --------
    >>> standardiser = Standardiser.fit(np.array([[0.0, 5.0], [1.0, 9.0]]))
    >>> standardiser.transform(np.array([[1.0, 11.0]]))
    array([[1., 2.]], dtype=float32)
    """

    center: tuple[float, ...]
    scale: tuple[float, ...]

    @classmethod
    def fit(cls, training: NDArray[Any]) -> Standardiser:
        """Learn from training rows."""
        numeric = ~((training == 0) | (training == 1)).all(axis=0)
        center, scale = np.zeros(len(numeric)), np.ones(len(numeric))
        if numeric.any():
            scaler = StandardScaler().fit(training[:, numeric].astype(np.float64))
            center[numeric], scale[numeric] = scaler.mean_, scaler.scale_
        return cls(tuple(center.tolist()), tuple(scale.tolist()))

    def transform(self, rows: NDArray[Any]) -> NDArray[np.float32]:
        """Return ``(rows - center) / scale`` in single precision, limited to ten deviations."""
        center, scale = np.array(self.center), np.array(self.scale)
        changed = (center != 0) | (scale != 1)
        encoded = rows.astype(np.float32)
        encoded[:, changed] = (rows[:, changed] - center[changed]) / scale[changed]
        return encoded.clip(-LIMIT, LIMIT)

    def to_dict(self) -> dict[str, Any]:
        """Return everything learned as plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Standardiser:
        """Return what :meth:`to_dict` wrote, also after a trip through JSON."""
        return cls(tuple(fields["center"]), tuple(fields["scale"]))
