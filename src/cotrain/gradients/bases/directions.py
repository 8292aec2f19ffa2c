"""Bases whose coordinates are inner products with directions in parameter space."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from cotrain import checks
from cotrain.gradients.bases.basis import Basis
from cotrain.gradients.bases.parts import Full, Part, RankOne
from cotrain.gradients.parameters import Shapes
from cotrain.gradients.row_gradient import RowGradient, matrix_shape
from cotrain.seeding import generator


class Directions(Basis):
    """Coordinates ``<g, D_j>`` with given directions ``D_j``.

    Parameters
    ----------
    shapes
        The parameters, in order.
    parts
        What the directions are for each parameter.
    """

    kind: ClassVar[str] = "directions"

    def __init__(self, shapes: Shapes, parts: Mapping[str, Part]) -> None:
        super().__init__(shapes)
        self.parts = dict(parts)

    @classmethod
    def of_blocks(cls, shapes: Shapes, blocks: Mapping[str, Sequence[Part]]) -> Directions:
        """Return all directions of the blocks, given for every parameter in the same order."""
        parts = {name: _joined(own) for name, own in blocks.items()}
        return Directions(
            shapes, {name: _sharing(part, parts[weight_of(name, shapes)]) for name, part in parts.items()}
        )

    def beside(self, other: Directions) -> Directions:
        """Return these directions and then those of ``other``."""
        return Directions.of_blocks(self.shapes, {name: [part, other.parts[name]] for name, part in self.parts.items()})

    @property
    def dimension(self) -> int:
        """Number of directions."""
        return next(iter(next(iter(self.parts.values())).tensors.values())).shape[1]

    @property
    def forms_gradients(self) -> bool:
        """Whether some directions are kept in full."""
        return any(isinstance(part, Full) for part in self.parts.values())

    def add(self, raw: Tensor, name: str, gradient: RowGradient) -> None:
        """Add inner products with one parameter's part of the directions."""
        self.parts[name].add_products(raw, gradient)

    def lift(self, w: Tensor) -> dict[str, Tensor]:
        """Return the sum of the directions weighted by ``w``."""
        return {name: self.parts[name].combine(w).reshape(shape) for name, shape in self.shapes.items()}

    def gram(self) -> Tensor:
        """Return the directions' inner products ``(r, r)``."""
        return torch.stack([part.gram() for part in self.parts.values()]).sum(dim=0)

    @property
    def spec(self) -> dict[str, Any]:
        """Kind and size; the directions themselves are in :attr:`tensors`."""
        return {"kind": self.kind, "dimension": self.dimension}

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The directions."""
        return {f"{name}/{side}": t for name, part in self.parts.items() for side, t in part.tensors.items()}

    def some(self, chosen: Tensor) -> Directions:
        """Return the directions at the positions ``chosen``."""
        return self._mapped(lambda tensor: tensor[:, chosen.to(tensor.device)])

    def to(self, like: Tensor) -> Directions:
        """Return the same directions on another device, in another precision."""
        return self._mapped(lambda tensor: tensor.to(like))

    def _mapped(self, change: Callable[[Tensor], Tensor]) -> Directions:
        known: dict[int, Tensor] = {}

        def once(tensor: Tensor) -> Tensor:
            if id(tensor) not in known:
                known[id(tensor)] = change(tensor)
            return known[id(tensor)]

        return Directions(self.shapes, {name: part.moved(once) for name, part in self.parts.items()})


class KhatriRao(Directions):
    r"""Random rank-one directions, independent for every parameter: data-independent and cheap on any layer.

    For a weight ``(o, i)`` direction ``j`` is :math:`u_j v_j^\top / \sqrt d` with random signs, so a linear layer costs
    ``d (o + i)`` operations a position instead of ``d o i``, and ``d (o + i)`` numbers are kept. A bias shares
    :math:`u_j` with its weight. Inner products are preserved as by dense random signs, with slightly more noise.

    Parameters
    ----------
    shapes
        The parameters, in order.
    dimension
        Number of coordinates.
    seed
        Signs depend on it and on the names of the parameters.

    Examples
    --------
    >>> basis = KhatriRao({"weight": (2, 3), "bias": (2,)}, dimension=4)
    >>> basis.lift(torch.ones(4))["weight"].shape
    torch.Size([2, 3])
    """

    kind: ClassVar[str] = "khatri-rao"

    def __init__(self, shapes: Shapes, *, dimension: int, seed: int = 0) -> None:
        checks.at_least("dimension", dimension, 1)
        left, right = (
            {n: _signs(matrix_shape(s)[side], dimension, generator(seed, n, side)) for n, s in shapes.items()}
            for side in (0, 1)
        )
        parts = {n: RankOne(left[weight_of(n, shapes)], right[n] * dimension**-0.5) for n in shapes}
        super().__init__(shapes, parts)
        self._seed = seed

    @property
    def spec(self) -> dict[str, Any]:
        """Kind, size and seed."""
        return {"kind": self.kind, "dimension": self.dimension, "seed": self._seed}

    @property
    def tensors(self) -> dict[str, Tensor]:
        """Nothing: the seed is enough."""
        return {}


def weight_of(name: str, shapes: Shapes) -> str:
    """Return the weight whose left side a bias shares; any other parameter is its own owner."""
    weight = name.removesuffix("bias") + "weight" if name.endswith("bias") else name
    fits = weight in shapes and len(shapes[weight]) > 1 and shapes[weight][0] == shapes[name][0]
    return weight if fits and len(shapes[name]) == 1 else name


def _signs(entries: int, directions: int, stream: torch.Generator) -> Tensor:
    bits = torch.randint(0, 2, (entries, directions), generator=stream, dtype=torch.int8)
    return bits.float().mul_(2).sub_(1)


def _joined(blocks: Sequence[Part]) -> Part:
    alike = [block for block in blocks if isinstance(block, RankOne)]
    if len(alike) == len(blocks):
        return RankOne(torch.cat([b.left for b in alike], dim=1), torch.cat([b.right for b in alike], dim=1))
    return Full(torch.cat([block.full().entries for block in blocks], dim=1))


def _sharing(part: Part, owner: Part) -> Part:
    """Return ``part`` with the left side of ``owner`` where both are equal, so that it is multiplied once."""
    if isinstance(part, RankOne) and isinstance(owner, RankOne) and torch.equal(part.left, owner.left):
        return RankOne(owner.left, part.right)
    return part
