"""The gradients of one parameter for several rows, in whatever form is cheap, seen as matrices ``(rows, o, i)``."""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor


def matrix_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the matrix ``(o, i)`` that a parameter of ``shape`` is seen as: first dimension against the rest.

    Examples
    --------
    >>> matrix_shape((8, 3, 5, 5)), matrix_shape((8,)), matrix_shape(())
    ((8, 75), (8, 1), (1, 1))
    """
    return (shape[0], math.prod(shape[1:])) if shape else (1, 1)


class RowGradient(Protocol):
    """Gradients ``G`` of one parameter for ``n`` rows."""

    def project(self, left: Tensor, right: Tensor) -> Tensor:
        """Return ``(n, r)``: ``sum_oi G[n, o, i] left[o, r] right[i, r]``."""
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

    def project(self, left: Tensor, right: Tensor) -> Tensor:
        """Return ``sum_oi G[n, o, i] left[o, r] right[i, r]``."""
        if self._matrices.shape[2] == 1:
            return self._matrices[:, :, 0] @ (left * right)
        return torch.einsum("noi,ir,or->nr", self._matrices, right, left)

    def sandwich(self, left: Tensor, right: Tensor) -> Tensor:
        """Return ``left' G right``."""
        return left.T @ self._matrices @ right

    def dense(self) -> Tensor:
        """Return ``G``."""
        return self._matrices
