"""The directions in which the gradients of a problem's own rows lie."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from cotrain.gradients.bases.basis import Basis
from cotrain.gradients.bases.directions import Directions
from cotrain.gradients.bases.fidelity import Fidelity
from cotrain.gradients.bases.kronecker import Kronecker
from cotrain.gradients.row_gradient import RowGradient


class Principal(Basis):
    r"""Orthonormal directions within the span of another basis: coordinates are its coordinates times a matrix.

    Parameters
    ----------
    inner
        The other basis :math:`B`.
    mixing
        ``(inner.dimension, d)``; the directions are :math:`B M`.
    """

    kind: ClassVar[str] = "principal"

    def __init__(self, inner: Directions | Kronecker, mixing: Tensor) -> None:
        super().__init__(inner.shapes)
        self.inner, self.mixing = inner, mixing
        self.fidelity: Fidelity | None = None

    @classmethod
    def of_rows(cls, inner: Directions | Kronecker, coordinates: Tensor, *, dimension: int) -> Principal:
        """Return the principal directions of rows given by their ``coordinates (rows, inner.dimension)``.

        The inner basis is made orthonormal first; directions that it cannot tell apart are dropped. Directions are
        principal without centring: what is kept is the most of the rows' summed squares.
        """
        white = _whitening(inner.gram().double()) if isinstance(inner, Directions) else None
        exact = coordinates.double()
        _, sizes, directions = torch.linalg.svd(exact if white is None else exact @ white, full_matrices=False)
        kept = int((sizes[:dimension] > 1e-6 * sizes[0]).sum()) or 1
        mixing = directions[:kept].T if white is None else white @ directions[:kept].T
        return cls(inner, mixing.to(coordinates.dtype))

    @property
    def energy(self) -> float:
        """Share of gradient energy kept on held-out rows; NaN where it was not measured."""
        return self.fidelity.energy if self.fidelity else float("nan")

    @property
    def dimension(self) -> int:
        """Number of directions."""
        return self.mixing.shape[1]

    @property
    def raw_dimension(self) -> int:
        """Number of coordinates in the inner basis."""
        return self.inner.raw_dimension

    @property
    def forms_gradients(self) -> bool:
        """As the inner basis."""
        return self.inner.forms_gradients

    def add(self, raw: Tensor, name: str, gradient: RowGradient) -> None:
        """Add to the coordinates in the inner basis."""
        self.inner.add(raw, name, gradient)

    def finish(self, raw: Tensor) -> Tensor:
        """Mix the coordinates in the inner basis."""
        return self.inner.finish(raw) @ self.mixing

    def lift(self, w: Tensor) -> dict[str, Tensor]:
        """Lift the coordinates in the inner basis."""
        return self.inner.lift(self.mixing @ w)

    @property
    def spec(self) -> dict[str, Any]:
        """Kind and size, and those of the inner basis."""
        return {"kind": self.kind, "dimension": self.dimension, "inner": self.inner.spec}

    @property
    def tensors(self) -> dict[str, Tensor]:
        """Those of the inner basis and the mixing."""
        return {**{f"inner/{name}": tensor for name, tensor in self.inner.tensors.items()}, "mixing": self.mixing}

    def to(self, like: Tensor) -> Principal:
        """Return the same basis on another device, in another precision."""
        return Principal(self.inner.to(like), self.mixing.to(like))


def _whitening(gram: Tensor) -> Tensor:
    """Return ``W (r, rank)`` with ``W' gram W = 1``, without the directions that rounding has lost."""
    values, vectors = torch.linalg.eigh(gram)
    kept = values > 1e-7 * values[-1]
    whitening: Tensor = vectors[:, kept] * values[kept].rsqrt()
    return whitening
