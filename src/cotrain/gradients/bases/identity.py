"""The full parameter space: exact, for networks with few parameters."""

from __future__ import annotations

import math
from itertools import accumulate
from typing import Any

from torch import Tensor

from cotrain.gradients.bases.basis import Basis
from cotrain.gradients.parameters import Shapes
from cotrain.gradients.row_gradient import RowGradient


class Identity(Basis):
    """Every parameter entry is a coordinate.

    Exact, and as large as the network: rows cost ``4 p`` bytes each and a fit ``p`` cubed operations.

    Parameters
    ----------
    shapes
        The parameters, in order.

    Examples
    --------
    >>> import torch
    >>> basis = Identity({"weight": (2, 3), "bias": (2,)})
    >>> basis.dimension, basis.lift(torch.arange(8.0))["bias"].tolist()
    (8, [6.0, 7.0])
    """

    kind = "identity"

    def __init__(self, shapes: Shapes) -> None:
        super().__init__(shapes)
        sizes = [math.prod(shape) for shape in shapes.values()]
        ends = list(accumulate(sizes))
        self.columns = {name: slice(end - size, end) for name, size, end in zip(shapes, sizes, ends, strict=True)}

    @property
    def dimension(self) -> int:
        """Number of parameter entries."""
        return sum(math.prod(shape) for shape in self.shapes.values())

    @property
    def forms_gradients(self) -> bool:
        """Yes."""
        return True

    def add(self, raw: Tensor, name: str, gradient: RowGradient) -> None:
        """Add the entries of one parameter's gradients to their columns."""
        raw[:, self.columns[name]] += gradient.dense().flatten(1)

    def lift(self, w: Tensor) -> dict[str, Tensor]:
        """Return ``w`` cut into parameters."""
        return {name: w[self.columns[name]].reshape(shape) for name, shape in self.shapes.items()}

    @property
    def spec(self) -> dict[str, Any]:
        """Kind and size."""
        return {"kind": self.kind, "dimension": self.dimension}
