"""The directions in which the gradients of a problem's own rows lie."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
import torch.nn.functional as F  # noqa: N812
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
    def of_rows(
        cls, inner: Directions | Kronecker, coordinates: Tensor, *, dimension: int, pulls: Tensor | None = None
    ) -> Principal:
        """Return directions that serve fits to rows like these.

        The inner basis is made orthonormal first; directions that it cannot tell apart are dropped. Up to half of the
        dimension goes to the tasks' pulls: near a trained model these are small beside the rows' gradients, and every
        fit starts along them. The rest are the principal directions of what is left, without centring.

        Parameters
        ----------
        inner
            The other basis.
        coordinates
            ``(rows, inner.dimension)`` of rows' gradients.
        dimension
            The most directions.
        pulls
            ``(tasks, inner.dimension)`` of the gradients of the tasks' mean losses.
        """
        white = _whitening(inner.gram().to(coordinates).double()) if isinstance(inner, Directions) else None

        def orthonormal(raw: Tensor) -> Tensor:
            return raw.double() if white is None else raw.double() @ white

        rows = orthonormal(coordinates)
        chosen = rows.new_zeros(rows.shape[1], 0)
        if pulls is not None:
            chosen = _leading(F.normalize(orthonormal(pulls)), dimension // 2)
        rest = _leading(rows - rows @ chosen @ chosen.T, dimension - chosen.shape[1])
        directions = torch.cat([chosen, rest], dim=1)
        return cls(inner, (directions if white is None else white @ directions).to(coordinates.dtype))

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


def _leading(rows: Tensor, most: int) -> Tensor:
    """Return up to ``most`` principal directions of ``rows`` as columns."""
    _, sizes, directions = torch.linalg.svd(rows, full_matrices=False)
    kept = int((sizes[:most] > 1e-6 * sizes[0]).sum())
    leading: Tensor = directions[:kept].T
    return leading
