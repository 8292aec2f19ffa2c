"""The directions in which the gradients of a problem's own rows lie."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from cotrain.gradients.bases.basis import Basis
from cotrain.gradients.bases.directions import Directions
from cotrain.gradients.bases.fidelity import Fidelity
from cotrain.gradients.bases.kronecker import Kronecker
from cotrain.gradients.bases.terms import choose_terms
from cotrain.gradients.row_gradient import RowGradient

_LOST = 1e-3
"""Length of what is left of a direction below which it is noise."""


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
    def spanning(cls, inner: Directions) -> Principal:
        """Return an orthonormal basis of all that ``inner`` spans, but for what rounding has lost."""
        values, vectors = torch.linalg.eigh(inner.gram().double())
        kept = values > 1e-7 * values[-1]
        return cls(inner, (vectors[:, kept] * values[kept].rsqrt()).to(next(iter(inner.tensors.values()))))

    def restricted(self, directions: Tensor) -> Principal:
        """Return the basis of some directions, ``(d, fewer)`` with orthonormal columns."""
        return Principal(self.inner, (self.mixing.double() @ directions.double()).to(self.mixing))

    def of_fewer_terms(self, count: int) -> Principal:
        """Return nearly the same directions as sums of at most ``count`` directions of the inner basis.

        Coordinates cost as many products as there are terms, so fewer are cheaper; a Kronecker basis stays as it is.
        """
        if isinstance(self.inner, Kronecker) or self.inner.dimension <= count:
            return self
        gram, mixing = self.inner.gram().double(), self.mixing.double()
        chosen = choose_terms(gram, mixing, count)
        spanned = Principal.spanning(self.inner.some(chosen))
        projected = spanned.mixing.double().T @ gram[chosen] @ mixing
        directions, sizes, _ = torch.linalg.svd(projected, full_matrices=False)
        return spanned.restricted(directions[:, sizes > _LOST])

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
