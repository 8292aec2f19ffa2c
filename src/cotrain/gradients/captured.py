"""Take rows' gradients as they are, to make bases of them and to measure bases by them."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor

from cotrain.gradients.bases.basis import Basis
from cotrain.gradients.bases.directions import Directions
from cotrain.gradients.bases.kronecker import Kronecker, Sides
from cotrain.gradients.bases.parts import Full, Part, RankOne
from cotrain.gradients.parameters import Shapes
from cotrain.gradients.row_gradient import Factored, RowGradient, matrix_shape, moments_of
from cotrain.seeding import generator


class _Collector(Basis):
    """A basis without coordinates: it sees the gradients of a micro-batch, complete for every parameter."""

    kind: ClassVar[str] = "collector"

    def __init__(self, shapes: Shapes) -> None:
        super().__init__(shapes)
        self._arrived: dict[str, list[RowGradient]] = {}

    @property
    def dimension(self) -> int:
        """None at all."""
        return 0

    @property
    def forms_gradients(self) -> bool:
        """Yes, where they come from several positions."""
        return True

    def add(self, raw: Tensor, name: str, gradient: RowGradient) -> None:  # noqa: ARG002
        """Keep a contribution until all have come."""
        self._arrived.setdefault(name, []).append(gradient)

    def finish(self, raw: Tensor) -> Tensor:
        """Hand every parameter's contributions on; a parameter that had no part in the rows has none."""
        for name in self.shapes:
            self._take(name, self._arrived.pop(name, []), raw)
        return raw

    @abstractmethod
    def _take(self, name: str, gradients: list[RowGradient], raw: Tensor) -> None: ...

    def lift(self, w: Tensor) -> dict[str, Tensor]:
        """Return nothing."""
        del w
        return {}

    @property
    def spec(self) -> dict[str, Any]:
        """Kind alone."""
        return {"kind": self.kind}


class Capture(_Collector):
    """Keeps every row's gradient as a direction.

    Gradients of one position keep their two sides. Others are kept in full where ``full`` allows, else as the nearest
    matrix of rank one.
    """

    def __init__(self, shapes: Shapes, *, full: bool) -> None:
        super().__init__(shapes)
        self._full = full
        self._blocks: dict[str, list[Part]] = {name: [] for name in shapes}

    def _take(self, name: str, gradients: list[RowGradient], raw: Tensor) -> None:
        if not gradients:
            o, i = matrix_shape(self.shapes[name])
            part: Part = RankOne(raw.new_zeros(o, len(raw)), raw.new_zeros(i, len(raw)))
        else:
            part = self._part(gradients)
        self._blocks[name].append(part)

    def _part(self, gradients: list[RowGradient]) -> Part:
        outer = gradients[0].outer() if len(gradients) == 1 else None
        if outer is None:
            dense = _total(gradients)
            if self._full:
                return Full(dense.flatten(1).T)
            outer = _nearest_of_rank_one(dense)
        return RankOne(outer[0].T, outer[1].T)

    def directions(self) -> Directions:
        """Return all rows captured so far."""
        return Directions.of_blocks(self.shapes, self._blocks)


class SideMoments(_Collector):
    """Adds up second moments of both sides of every parameter's gradient."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__(shapes)
        self._left: dict[str, Tensor] = {}
        self._right: dict[str, Tensor] = {}

    def _take(self, name: str, gradients: list[RowGradient], raw: Tensor) -> None:
        o, i = matrix_shape(self.shapes[name])
        left = self._left.setdefault(name, raw.new_zeros(o, o))
        right = self._right.setdefault(name, raw.new_zeros(i, i))
        if gradients:
            by_output, by_input = _moments(gradients)
            left += by_output
            right += by_input

    def kronecker(self, size: int) -> Kronecker:
        """Return the basis of leading directions of both sides, ``size`` pairs of them for every parameter."""
        sides = {name: _sides(left, self._right[name], size) for name, left in self._left.items()}
        return Kronecker(self.shapes, sides)


def _sides(left: Tensor, right: Tensor, size: int) -> Sides:
    """Share ``size`` out so that the least gradient energy is outside of either side's directions."""
    kept, columns = zip(*(_spectrum(side) for side in (left, right)), strict=True)

    def energy(share: int) -> float:
        widths = (min(share, len(left)), min(size // share, len(right)))
        return float(sum(of[width - 1] for of, width in zip(kept, widths, strict=True)))

    best = max((2**power for power in range(size.bit_length())), key=energy)
    return Sides(columns[0][:, :best].contiguous(), columns[1][:, : size // best].contiguous())


def _moments(gradients: list[RowGradient]) -> tuple[Tensor, Tensor]:
    """Return the rows' summed ``G G'`` and ``G' G`` of contributions that add up to ``G``."""
    first = gradients[0]
    if len(gradients) > 1:
        return moments_of(_total(gradients))
    return first.moments() if isinstance(first, Factored) else moments_of(first.dense())


def _total(gradients: list[RowGradient]) -> Tensor:
    total = gradients[0].dense()
    for gradient in gradients[1:]:
        total = total + gradient.dense()
    return total


def _nearest_of_rank_one(matrices: Tensor, iterations: int = 12) -> tuple[Tensor, Tensor]:
    """Return ``left (n, o)`` and ``right (n, i)`` by power iteration from a fixed start."""
    start = torch.randn(matrices.shape[1], generator=generator(0, "power")).to(matrices)
    left = start.expand(len(matrices), -1)
    for _ in range(iterations):
        right = torch.nn.functional.normalize(torch.einsum("no,noi->ni", left, matrices), dim=1)
        left = torch.einsum("noi,ni->no", matrices, right)
    return left, right


def _spectrum(moment: Tensor) -> tuple[Tensor, Tensor]:
    """Return the energy in the leading directions, as many as there are, and those directions as columns."""
    values, vectors = torch.linalg.eigh(moment.double())
    return values.flip(0).cumsum(dim=0), vectors.flip(1).to(moment.dtype)
