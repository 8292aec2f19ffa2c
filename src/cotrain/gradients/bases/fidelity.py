"""How well coordinates keep what gradients say: measured on rows that the basis has not seen."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cotrain.gradients.bases.directions import Directions


@dataclass(frozen=True)
class Fidelity:
    """Coordinates against exact gradients.

    Parameters
    ----------
    energy
        Share of the rows' summed squared gradients that the coordinates hold; about 1, with noise, for random bases.
    error
        Relative error of the rows' inner products, ``|F F' - G G'| / |G G'|``.
    rows
        How many rows were compared.

    Examples
    --------
    >>> print(Fidelity(energy=0.987, error=0.021, rows=64))
    98.7 % of gradient energy, inner products off by 2.1 % (64 held-out rows)
    """

    energy: float
    error: float
    rows: int

    def __str__(self) -> str:
        return (
            f"{self.energy:.1%} of gradient energy, inner products off by {self.error:.1%} ({self.rows} held-out rows)"
        ).replace("%", " %")

    @classmethod
    def of(cls, coordinates: Tensor, exact: Directions) -> Fidelity:
        """Compare ``coordinates (rows, d)`` with the exact gradients of the same rows."""
        true = exact.gram().double()
        kept = coordinates.double() @ coordinates.double().T
        error = torch.linalg.matrix_norm(kept - true) / torch.linalg.matrix_norm(true)
        return cls(float(kept.trace() / true.trace()), float(error), len(coordinates))
