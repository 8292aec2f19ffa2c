"""The gradients of one parameter for several rows, in whatever form is cheap, seen as matrices ``(rows, o, i)``."""

from __future__ import annotations

import math
from typing import Protocol

from torch import Tensor

from cotrain.gradients.factors import Factor


def matrix_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the matrix ``(o, i)`` that a parameter of ``shape`` is seen as: first dimension against the rest.

    Examples
    --------
    >>> matrix_shape((8, 3, 5, 5)), matrix_shape((8,)), matrix_shape(())
    ((8, 75), (8, 1), (1, 1))
    """
    return (shape[0], math.prod(shape[1:])) if shape else (1, 1)


def moments_of(matrices: Tensor) -> tuple[Tensor, Tensor]:
    """Return ``sum_n G G'`` and ``sum_n G' G`` of matrices ``(n, o, i)``."""
    by_output, by_input = matrices.transpose(0, 1).flatten(1), matrices.flatten(0, 1)
    return by_output @ by_output.T, by_input.T @ by_input


class RowGradient(Protocol):
    """Gradients ``G`` of one parameter for ``n`` rows."""

    def outer(self) -> tuple[Tensor, Tensor] | None:
        """Return ``left (n, o)`` and ``right (n, i)`` with ``G = left right'`` where that is how they come."""
        ...

    def add_projection(self, raw: Tensor, left: Tensor, right: Tensor) -> None:
        """Add ``sum_oi G[n, o, i] left[o, r] right[i, r]`` to ``raw (n, r)``."""
        ...

    def sandwich(self, left: Tensor, right: Tensor) -> Tensor:
        """Return ``(n, a, b)``: ``left' G right`` with ``left (o, a)`` and ``right (i, b)``."""
        ...

    def dense(self) -> Tensor:
        """Return ``G`` itself, ``(n, o, i)``."""
        ...


class Materialised:
    """Gradients that are there in full.

    Parameters
    ----------
    gradient
        ``(n, *shape of the parameter)``.
    """

    def __init__(self, gradient: Tensor) -> None:
        self._matrices = gradient.reshape(len(gradient), *matrix_shape(tuple(gradient.shape[1:])))

    def outer(self) -> tuple[Tensor, Tensor] | None:
        """Return vectors and ones where the matrices are vectors."""
        if self._matrices.shape[2] > 1:
            return None
        return self._matrices[:, :, 0], self._matrices.new_ones(len(self._matrices), 1)

    def add_projection(self, raw: Tensor, left: Tensor, right: Tensor) -> None:
        """Add ``sum_oi G[n, o, i] left[o, r] right[i, r]``."""
        if self._matrices.shape[2] == 1:
            raw.addmm_(self._matrices[:, :, 0], left * right)
        elif len(left) > len(right):
            raw += ((self._matrices.transpose(1, 2) @ left) * right).sum(dim=1)
        else:
            raw += ((self._matrices @ right) * left).sum(dim=1)

    def sandwich(self, left: Tensor, right: Tensor) -> Tensor:
        """Return ``left' G right``."""
        return left.T @ (self._matrices @ right)

    def dense(self) -> Tensor:
        """Return ``G``."""
        return self._matrices


class Factored:
    """Gradients ``G = sum_p left_p right_p'`` over positions ``p``, never formed unless that is cheaper.

    Parameters
    ----------
    left
        Positions of size ``o``.
    right
        Positions of size ``i``.
    """

    def __init__(self, left: Factor, right: Factor) -> None:
        self.left, self.right = left, right

    def outer(self) -> tuple[Tensor, Tensor] | None:
        """Return both sides where there is one position."""
        return (self.left.dense()[:, 0], self.right.dense()[:, 0]) if self.left.positions == 1 else None

    def add_projection(self, raw: Tensor, left: Tensor, right: Tensor) -> None:
        """Add ``sum_p (left_p . left_r) (right_p . right_r)``."""
        if self._forming_pays(left.shape[1]):
            Materialised(self.dense()).add_projection(raw, left, right)
        elif self.left.positions == 1:
            raw.addcmul_(self.left.times(left)[:, 0], self.right.times(right)[:, 0])
        else:
            raw += (self.left.times(left) * self.right.times(right)).sum(dim=1)

    def sandwich(self, left: Tensor, right: Tensor) -> Tensor:
        """Return ``left' G right``, with the sum over positions where it is cheapest."""
        p, o, i, a, b = self.left.positions, self.left.size, self.right.size, left.shape[1], right.shape[1]
        last = o * a + i * b + a * b
        after_left = o * a + a * i + a * i * b / p if self.right.formed else math.inf
        after_right = i * b + b * o + o * a * b / p if self.left.formed else math.inf
        if after_left < min(last, after_right):
            return (self.left.times(left).transpose(1, 2) @ self.right.dense()) @ right
        if after_right < last:
            return left.T @ (self.left.dense().transpose(1, 2) @ self.right.times(right))
        return self.left.times(left).transpose(1, 2) @ self.right.times(right)

    def dense(self) -> Tensor:
        """Return ``G``."""
        right = self.right.dense()
        return self.left.dense().transpose(1, 2).to(right.dtype) @ right

    def moments(self) -> tuple[Tensor, Tensor]:
        """Return ``sum_n G G'`` and ``sum_n G' G``, without forming ``G`` where products of positions are cheaper."""
        p, o, i = self.left.positions, self.left.size, self.right.size
        if o * i * (p + o + i) <= 2 * p * p * (o + i) + p * (o * o + i * i):
            return moments_of(self.dense())
        left, right = self.left.dense(), self.right.dense()
        return _moment(left, right), _moment(right, left)

    def _forming_pays(self, directions: int) -> bool:
        """Whether forming ``G`` takes fewer operations than ``r`` directions at every position."""
        positions, o, i = self.left.positions, self.left.size, self.right.size
        return positions > 1 and positions * o * i + o * i * directions < positions * (o + i) * directions


def _moment(side: Tensor, other: Tensor) -> Tensor:
    """Return ``sum_n S' (T T') S`` of ``S (n, positions, s)`` and ``T (n, positions, t)``."""
    weighted = (other @ other.transpose(1, 2)) @ side
    return side.flatten(0, 1).T @ weighted.flatten(0, 1)


class Summed:
    """Gradients ``G = sum_p left_p`` of a bias: vectors, seen as matrices with one column.

    Parameters
    ----------
    left
        Positions of the size of the bias.
    """

    def __init__(self, left: Factor) -> None:
        self._left = left

    def outer(self) -> tuple[Tensor, Tensor] | None:
        """Return the sums and ones."""
        return Materialised(self.dense()).outer()

    def add_projection(self, raw: Tensor, left: Tensor, right: Tensor) -> None:
        """Add ``sum_p (left_p . left_r) right_r``; at one position the weight may have asked for it before."""
        if self._left.positions == 1:
            raw.addcmul_(self._left.times(left)[:, 0], right)
        else:
            Materialised(self.dense()).add_projection(raw, left, right)

    def sandwich(self, left: Tensor, right: Tensor) -> Tensor:
        """Return ``left' G right``."""
        return Materialised(self.dense()).sandwich(left, right)

    def dense(self) -> Tensor:
        """Return ``G``."""
        return self._left.dense().sum(dim=1)[:, :, None]


class RowSlice:
    """Gradients of some rows of a parameter; the rest is zero.

    Parameters
    ----------
    part
        Gradients of the rows ``where``.
    where
        Which rows of the parameter.
    total
        How many rows the parameter has.
    """

    def __init__(self, part: RowGradient, where: slice, total: int) -> None:
        self._part, self._where, self._total = part, where, total

    def outer(self) -> tuple[Tensor, Tensor] | None:
        """Return nothing: rows of other calls may join."""
        return None

    def add_projection(self, raw: Tensor, left: Tensor, right: Tensor) -> None:
        """Add ``sum_oi G[n, o, i] left[o, r] right[i, r]``."""
        self._part.add_projection(raw, left[self._where], right)

    def sandwich(self, left: Tensor, right: Tensor) -> Tensor:
        """Return ``left' G right``."""
        return self._part.sandwich(left[self._where], right)

    def dense(self) -> Tensor:
        """Return ``G``."""
        part = self._part.dense()
        full = part.new_zeros(len(part), self._total, part.shape[2])
        full[:, self._where] = part
        return full


class Folded:
    """Gradients of ``n * fold`` items of which ``fold`` in a row belong to one row.

    Parameters
    ----------
    items
        Gradients of the items.
    fold
        Items of each row.
    """

    def __init__(self, items: RowGradient, fold: int) -> None:
        self._items, self._fold = items, fold

    def outer(self) -> tuple[Tensor, Tensor] | None:
        """Return nothing: several items belong to a row."""
        return None

    def _sum(self, values: Tensor) -> Tensor:
        return values.reshape(-1, self._fold, *values.shape[1:]).sum(dim=1)

    def add_projection(self, raw: Tensor, left: Tensor, right: Tensor) -> None:
        """Add ``sum_oi G[n, o, i] left[o, r] right[i, r]``."""
        items = raw.new_zeros(len(raw) * self._fold, raw.shape[1])
        self._items.add_projection(items, left, right)
        raw += self._sum(items)

    def sandwich(self, left: Tensor, right: Tensor) -> Tensor:
        """Return ``left' G right``."""
        return self._sum(self._items.sandwich(left, right))

    def dense(self) -> Tensor:
        """Return ``G``."""
        return self._sum(self._items.dense())
