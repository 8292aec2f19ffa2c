"""A dense random basis that is never held: blocks of signs come back from their seed whenever they are needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cotrain import checks
from cotrain.gradients.bases.basis import Basis
from cotrain.gradients.parameters import Shapes
from cotrain.gradients.row_gradient import RowGradient
from cotrain.seeding import derive

_BLOCK = 4096


class DenseRandom(Basis):
    r"""Independent random signs :math:`P_{ej} = \pm 1/\sqrt{d}`, the map of the Johnson-Lindenstrauss lemma.

    Signs of one block of entries of one parameter depend on the seed, the parameter's name and the block's number
    alone. Needs gradients in full and ``2 p d`` operations a row: for small networks and for reproduction.

    Parameters
    ----------
    shapes
        The parameters, in order.
    dimension
        Number of coordinates.
    seed
        Of the signs.

    Examples
    --------
    >>> basis = DenseRandom({"weight": (2, 3)}, dimension=4)
    >>> basis.lift(torch.ones(4))["weight"].shape
    torch.Size([2, 3])
    """

    kind = "dense"

    def __init__(self, shapes: Shapes, *, dimension: int, seed: int = 0) -> None:
        super().__init__(shapes)
        checks.at_least("dimension", dimension, 1)
        self._dimension, self._seed = dimension, seed

    @property
    def dimension(self) -> int:
        """Number of coordinates."""
        return self._dimension

    @property
    def forms_gradients(self) -> bool:
        """Yes."""
        return True

    def add(self, raw: Tensor, name: str, gradient: RowGradient) -> None:
        """Add one parameter's gradients, block by block."""
        entries = gradient.dense().flatten(1)
        for part, signs in self._blocks(name, entries.shape[1]):
            raw.addmm_(entries[:, part], signs.to(entries))

    def lift(self, w: Tensor) -> dict[str, Tensor]:
        """Return ``P w``."""
        updates = {}
        for name, shape in self.shapes.items():
            update = w.new_empty(shape)
            for part, signs in self._blocks(name, update.numel()):
                update.view(-1)[part] = signs.to(w) @ w
            updates[name] = update
        return updates

    @property
    def spec(self) -> dict[str, Any]:
        """Kind, size and seed."""
        return {"kind": self.kind, "dimension": self.dimension, "seed": self._seed}

    def _blocks(self, name: str, entries: int) -> Iterator[tuple[slice, Tensor]]:
        scale = self._dimension**-0.5
        for number, start in enumerate(range(0, entries, _BLOCK)):
            stop = min(start + _BLOCK, entries)
            stream = np.random.Generator(np.random.PCG64(derive(self._seed, name, number)))
            count = (stop - start) * self._dimension
            bits = np.unpackbits(np.frombuffer(stream.bytes(-(-count // 8)), np.uint8), count=count)
            signs = torch.from_numpy(bits).to(torch.float32).mul_(2 * scale).sub_(scale)
            yield slice(start, stop), signs.view(stop - start, self._dimension)
