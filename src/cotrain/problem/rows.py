"""Rows: inputs and the targets of all tasks, missing ones as NaN."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import torch
from torch import Tensor

from cotrain.errors import InputError

Inputs: TypeAlias = Tensor | Mapping[str, Tensor]
"""What a network is called with: one tensor, or named tensors, rows first."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of one split. A data set per task is the case where every row has one observed target.

    Parameters
    ----------
    inputs
        A tensor ``(n, ...)`` or a mapping of such tensors.
    targets
        ``(n, tasks)``, float; NaN where a label is missing; class codes for classification; standardised values for
        regression.

    Examples
    --------
    >>> rows = Rows(torch.zeros(3, 2), torch.tensor([[0.0], [1.0], [float("nan")]]))
    >>> len(rows), rows.observed.sum().item()
    (3, 2)
    """

    inputs: Inputs
    targets: Tensor

    def __post_init__(self) -> None:
        lengths = {len(part) for part in self._parts()} | {len(self.targets)}
        if self.targets.dim() != 2 or len(lengths) != 1:
            raise InputError(
                "`inputs` and `targets` must have the same number of rows, `targets` as (rows, tasks). "
                f"Found {sorted(lengths)} rows and `targets.shape = {tuple(self.targets.shape)}`."
            )

    def __len__(self) -> int:
        return len(self.targets)

    @cached_property
    def observed(self) -> Tensor:
        """Boolean ``(n, tasks)``: where a label is present."""
        return ~torch.isnan(self.targets)

    def take(self, index: Tensor) -> Rows:
        """Return the rows at ``index`` (integers or a boolean mask)."""
        return Rows(select(self.inputs, index), self.targets[index])

    def columns(self, index: list[int]) -> Rows:
        """Return the same rows with only the targets at ``index``."""
        return Rows(self.inputs, self.targets[:, index])

    def to(self, device: torch.device) -> Rows:
        """Return the rows on ``device``."""
        if isinstance(self.inputs, Tensor):
            return Rows(self.inputs.to(device), self.targets.to(device))
        return Rows({name: part.to(device) for name, part in self.inputs.items()}, self.targets.to(device))

    def _parts(self) -> list[Tensor]:
        return [self.inputs] if isinstance(self.inputs, Tensor) else list(self.inputs.values())


def select(inputs: Inputs, index: Tensor) -> Inputs:
    """Return the inputs at ``index`` (integers, a boolean mask)."""
    if isinstance(inputs, Tensor):
        return inputs.index_select(0, index) if index.dtype == torch.int64 else inputs[index]
    return {name: part[index] for name, part in inputs.items()}
