"""What directions are for one parameter: of rank one, or in full."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from cotrain.gradients.row_gradient import RowGradient


class Part(Protocol):
    """``r`` directions for one parameter of matrix shape ``(o, i)``."""

    @property
    def tensors(self) -> dict[str, Tensor]:
        """What it consists of, by the names of the constructor."""
        ...

    def moved(self, to: Callable[[Tensor], Tensor]) -> Part:
        """Return the same directions with every tensor passed through ``to``."""
        ...

    def add_products(self, raw: Tensor, gradient: RowGradient) -> None:
        """Add inner products with gradients to ``raw (n, r)``."""
        ...

    def combine(self, w: Tensor) -> Tensor:
        """Return the sum of the directions weighted by ``w (r,)``, with ``o * i`` entries."""
        ...

    def gram(self) -> Tensor:
        """Return the directions' inner products ``(r, r)``."""
        ...

    def full(self) -> Full:
        """Return the same directions, written out."""
        ...


class RankOne:
    """Directions ``u_j v_j'``: ``r (o + i)`` numbers.

    Parameters
    ----------
    left, right
        ``u (o, r)`` and ``v (i, r)``. A weight and its bias may share ``left``: then it is multiplied once.
    """

    def __init__(self, left: Tensor, right: Tensor) -> None:
        self.left, self.right = left, right

    @property
    def tensors(self) -> dict[str, Tensor]:
        """Both sides."""
        return {"left": self.left, "right": self.right}

    def moved(self, to: Callable[[Tensor], Tensor]) -> RankOne:
        """Return the same directions with both sides passed through ``to``."""
        return RankOne(to(self.left), to(self.right))

    def add_products(self, raw: Tensor, gradient: RowGradient) -> None:
        """Add ``u_j' G v_j``."""
        gradient.add_projection(raw, self.left, self.right)

    def combine(self, w: Tensor) -> Tensor:
        """Return ``sum_j w_j u_j v_j'``."""
        return (self.left * w) @ self.right.T

    def gram(self) -> Tensor:
        """Return ``(u_j' u_k) (v_j' v_k)``."""
        return (self.left.T @ self.left) * (self.right.T @ self.right)

    def full(self) -> Full:
        """Return the same directions, written out."""
        return Full(torch.einsum("or,ir->oir", self.left, self.right).flatten(0, 1))


class Full:
    """Directions without structure: ``r o i`` numbers.

    Parameters
    ----------
    entries
        ``(o * i, r)``.
    """

    def __init__(self, entries: Tensor) -> None:
        self.entries = entries

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The entries."""
        return {"entries": self.entries}

    def moved(self, to: Callable[[Tensor], Tensor]) -> Full:
        """Return the same directions with their entries passed through ``to``."""
        return Full(to(self.entries))

    def add_products(self, raw: Tensor, gradient: RowGradient) -> None:
        """Add inner products of all entries."""
        raw.addmm_(gradient.dense().flatten(1), self.entries)

    def combine(self, w: Tensor) -> Tensor:
        """Return ``sum_j w_j D_j``."""
        return self.entries @ w

    def gram(self) -> Tensor:
        """Return ``D_j' D_k``."""
        return self.entries.T @ self.entries

    def full(self) -> Full:
        """Return the same directions."""
        return self
