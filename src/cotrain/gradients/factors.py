"""Sides of a weight gradient ``sum_p left_p right_p'``: what arrives from above, and what came in from below."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor


class Factor(ABC):
    """Vectors ``(rows, positions, size)``, in whatever form they are cheap.

    Products are remembered: the input side is multiplied by the same directions for every task, and the output side
    meets the same directions for a weight and its bias.

    Parameters
    ----------
    rows, positions, size
        Dimensions.
    remember
        Whether products are kept while the factor lives.
    """

    formed: ClassVar[bool] = True
    """Whether the vectors are there, so that :meth:`dense` takes no memory."""

    def __init__(self, rows: int, positions: int, size: int, *, remember: bool) -> None:
        self.rows, self.positions, self.size = rows, positions, size
        self._remember = remember
        self._products: dict[int, tuple[Tensor, Tensor]] = {}

    def times(self, directions: Tensor) -> Tensor:
        """Return the product with ``directions (size, r)``: ``(rows, positions, r)``."""
        known = self._products.get(id(directions))
        if known is not None:
            return known[1]
        product = self._times(directions)
        if self._remember:
            self._products[id(directions)] = (directions, product)
        return product

    @abstractmethod
    def _times(self, directions: Tensor) -> Tensor: ...

    @abstractmethod
    def dense(self) -> Tensor:
        """Return the vectors themselves."""


class Values(Factor):
    """Vectors that are there, last dimension last: ``(rows, positions, size)``."""

    def __init__(self, values: Tensor, *, remember: bool = False) -> None:
        rows, positions, size = values.shape
        super().__init__(rows, positions, size, remember=remember)
        self._values = values

    def _times(self, directions: Tensor) -> Tensor:
        return self._values @ directions

    def dense(self) -> Tensor:
        """Return the vectors."""
        return self._values


class Channels(Factor):
    """Vectors that are there, channels first: ``(rows, size, positions)``."""

    def __init__(self, values: Tensor, *, remember: bool = False) -> None:
        rows, size, positions = values.shape
        super().__init__(rows, positions, size, remember=remember)
        self._values = values

    def _times(self, directions: Tensor) -> Tensor:
        return (directions.T @ self._values).transpose(1, 2)

    def dense(self) -> Tensor:
        """Return the vectors, positions first."""
        return self._values.transpose(1, 2)


class Entries(Factor):
    """Vectors ``(rows, positions, size)`` that are zero but for the entries ``where``, whose ``values`` are given."""

    formed = False

    def __init__(self, values: Tensor, where: Tensor, size: int, *, remember: bool = False) -> None:
        rows, positions, _ = values.shape
        super().__init__(rows, positions, size, remember=remember)
        self._values, self._where = values, where

    def _times(self, directions: Tensor) -> Tensor:
        return self._values @ directions[self._where]

    def dense(self) -> Tensor:
        """Return the vectors with their zeros."""
        return self._values.new_zeros(self.rows, self.positions, self.size).index_copy_(2, self._where, self._values)


class Tokens(Factor):
    """One-hot vectors ``(rows, positions, size)`` given by their codes; a negative code is no vector at all."""

    formed = False

    def __init__(self, codes: Tensor, size: int) -> None:
        rows, positions = codes.shape
        super().__init__(rows, positions, size, remember=False)
        self._codes = codes

    def _times(self, directions: Tensor) -> Tensor:
        return F.embedding(self._codes.clamp_min(0), directions) * (self._codes >= 0)[:, :, None]

    def dense(self) -> Tensor:
        """Return the one-hot vectors."""
        return F.one_hot(self._codes + 1, self.size + 1)[:, :, 1:].to(torch.get_default_dtype())


class Patches(Factor):
    """The windows that a convolution sees, ``(rows, windows, channels * kernel)``, unfolded only where needed.

    Parameters
    ----------
    padded
        Input ``(rows, channels, *space)`` with its padding.
    kernel, stride, dilation
        Of the convolution.
    remember
        Whether products are kept.
    """

    formed = False

    def __init__(
        self,
        padded: Tensor,
        kernel: tuple[int, ...],
        stride: tuple[int, ...],
        dilation: tuple[int, ...],
        *,
        remember: bool = False,
    ) -> None:
        self._padded, self._kernel, self._stride, self._dilation = padded, kernel, stride, dilation
        windows = 1
        size = padded.shape[1]
        for length, k, s, d in zip(padded.shape[2:], kernel, stride, dilation, strict=True):
            windows *= (length - d * (k - 1) - 1) // s + 1
            size *= k
        super().__init__(len(padded), windows, size, remember=remember)

    def _times(self, directions: Tensor) -> Tensor:
        filters = directions.T.reshape(-1, self._padded.shape[1], *self._kernel)
        convolve = (F.conv1d, F.conv2d, F.conv3d)[len(self._kernel) - 1]
        return convolve(self._padded, filters, stride=self._stride, dilation=self._dilation).flatten(2).transpose(1, 2)

    def dense(self) -> Tensor:
        """Return the windows, unfolded."""
        windows = self._padded
        for axis, (k, s, d) in enumerate(zip(self._kernel, self._stride, self._dilation, strict=True), start=2):
            windows = windows.unfold(axis, d * (k - 1) + 1, s)[..., ::d]
        space = len(self._kernel)
        order = [0, *range(2, 2 + space), 1, *range(2 + space, 2 + 2 * space)]
        return windows.permute(order).reshape(self.rows, self.positions, self.size)
