"""Bases that compress both sides of every weight."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import Any, ClassVar, NamedTuple

from torch import Tensor

from cotrain.gradients.bases.basis import Basis
from cotrain.gradients.parameters import Shapes
from cotrain.gradients.row_gradient import RowGradient


class Sides(NamedTuple):
    """Orthonormal columns for the two sides of a weight: ``left (o, a)`` and ``right (i, b)``."""

    left: Tensor
    right: Tensor


class Kronecker(Basis):
    r"""Coordinates :math:`L^\top G R` of every parameter's gradient :math:`G`, one after the other.

    A convolution or a sequence costs ``(o a + i b)`` operations a position: the cheapest of all bases there.

    Parameters
    ----------
    shapes
        The parameters, in order.
    sides
        Orthonormal columns for each.

    Examples
    --------
    >>> import torch
    >>> basis = Kronecker({"weight": (2, 3)}, {"weight": Sides(torch.eye(2)[:, :1], torch.eye(3)[:, :2])})
    >>> basis.lift(torch.tensor([5.0, 7.0]))["weight"].tolist()
    [[5.0, 7.0, 0.0], [0.0, 0.0, 0.0]]
    """

    kind: ClassVar[str] = "kronecker"

    def __init__(self, shapes: Shapes, sides: Mapping[str, Sides]) -> None:
        super().__init__(shapes)
        self.sides = dict(sides)
        sizes = [sides[name].left.shape[1] * sides[name].right.shape[1] for name in shapes]
        ends = list(accumulate(sizes))
        self._dimension = ends[-1]
        self._columns = {name: slice(end - size, end) for name, size, end in zip(shapes, sizes, ends, strict=True)}

    @property
    def dimension(self) -> int:
        """Sum over parameters of the products of their sides' columns."""
        return self._dimension

    def add(self, raw: Tensor, name: str, gradient: RowGradient) -> None:
        """Add one parameter's compressed gradients to its columns."""
        raw[:, self._columns[name]] += gradient.sandwich(*self.sides[name]).flatten(1)

    def lift(self, w: Tensor) -> dict[str, Tensor]:
        """Return ``L W R'`` for every parameter."""
        updates = {}
        for name, shape in self.shapes.items():
            left, right = self.sides[name]
            core = w[self._columns[name]].reshape(left.shape[1], right.shape[1])
            updates[name] = (left @ core @ right.T).reshape(shape)
        return updates

    @property
    def spec(self) -> dict[str, Any]:
        """Kind and size; the sides are in :attr:`tensors`."""
        return {"kind": self.kind, "dimension": self.dimension}

    @property
    def tensors(self) -> dict[str, Tensor]:
        """Both sides of every parameter."""
        return {f"{n}/{side}": t for n, sides in self.sides.items() for side, t in sides._asdict().items()}

    def to(self, like: Tensor) -> Kronecker:
        """Return the same basis on another device, in another precision."""
        return Kronecker(self.shapes, {name: Sides(*(t.to(like) for t in s)) for name, s in self.sides.items()})
