"""What every basis promises: gradients to coordinates, coordinates back to parameter updates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from cotrain.gradients.parameters import Shapes
from cotrain.gradients.row_gradient import Materialised, RowGradient


class Basis(ABC):
    r"""A linear map :math:`P` from coordinates to updates of the chosen parameters.

    :meth:`apply` returns :math:`P^\top g`, :meth:`lift` returns :math:`P w`, so that
    :math:`g^\top (P w) = (P^\top g)^\top w`: linearised outputs in coordinates are those of the lifted update.

    The engine hands gradients over parameter by parameter with :meth:`add`; what they add up to may still be mixed by
    :meth:`finish`.

    Parameters
    ----------
    shapes
        The parameters, in order.
    """

    kind: ClassVar[str]

    def __init__(self, shapes: Shapes) -> None:
        self.shapes = dict(shapes)

    @property
    @abstractmethod
    def dimension(self) -> int:
        """Number of coordinates."""

    @property
    def raw_dimension(self) -> int:
        """Number of coordinates before :meth:`finish`."""
        return self.dimension

    @property
    def forms_gradients(self) -> bool:
        """Whether it needs gradients in full, which takes memory for every row."""
        return False

    @abstractmethod
    def add(self, raw: Tensor, name: str, gradient: RowGradient) -> None:
        """Add what the gradients of parameter ``name`` contribute to ``raw (rows, raw_dimension)``, in place."""

    def finish(self, raw: Tensor) -> Tensor:
        """Return the coordinates ``(rows, dimension)`` of what has been added up."""
        return raw

    @abstractmethod
    def lift(self, w: Tensor) -> dict[str, Tensor]:
        """Return the update of every parameter at coordinates ``w (dimension,)``."""

    @property
    @abstractmethod
    def spec(self) -> dict[str, Any]:
        """What the basis depends on, as plain values; two bases of equal ``spec`` and tensors are the same map."""

    @property
    def tensors(self) -> dict[str, Tensor]:
        """What must be kept beside ``spec`` to rebuild the basis; nothing where a seed is enough."""
        return {}

    def to(self, like: Tensor) -> Basis:  # noqa: ARG002 - bases without tensors are at home everywhere
        """Return the same basis on the device and in the precision of ``like``."""
        return self

    def apply(self, gradients: Mapping[str, Tensor]) -> Tensor:
        """Return the coordinates ``(rows, dimension)`` of gradients ``(rows, *shape)`` by parameter name."""
        first = next(iter(gradients.values()))
        dtype = torch.promote_types(first.dtype, torch.float32)
        raw = torch.zeros(len(first), self.raw_dimension, dtype=dtype, device=first.device)
        basis = self.to(raw)
        for name, gradient in gradients.items():
            basis.add(raw, name, Materialised(gradient.to(dtype)))
        return basis.finish(raw)

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value!r}" for name, value in self.spec.items() if name != "kind")
        return f"{type(self).__name__}({settings})"
