"""What the rest of the house needs to know of a task's rows: projected gradients and offsets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from torch import Tensor

LinearLoss: TypeAlias = Literal["logistic", "square"]
"""Loss of the linearised row: ``log(1 + exp(-u))`` of its margin or ``u ** 2`` of its residual."""


@dataclass(frozen=True, eq=False)
class TaskGradients:
    """Rows of one task at a base model, linearised: row ``s`` becomes ``u_s = offset_s + features_s . w``.

    Parameters
    ----------
    features
        ``(rows, d)``: gradient of the row's margin or residual, in the coordinates of a basis.
    offset
        ``(rows,)``: the margin or residual itself at the base model. It is part of every fit.
    sample
        ``(rows,)``: which row of the problem's ``gradient_rows`` it came from.
    loss
        ``"logistic"`` for classification (``log(1 + exp(-u))`` of the margin is the cross-entropy, exactly) or
        ``"square"`` for regression.
    """

    features: Tensor
    offset: Tensor
    sample: Tensor
    loss: LinearLoss

    def __len__(self) -> int:
        return len(self.offset)
