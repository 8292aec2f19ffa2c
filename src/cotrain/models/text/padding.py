"""Token matrices as networks take them: padded on the right, cut to what a batch needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from cotrain.problem.rows import select

IGNORED = -100
"""Marks padding among the tokens that a decoder is to produce."""
DECODED = ("labels", "token_weights")
"""Inputs as long as what a decoder produces; the others are as long as what is read."""
_NARROWEST = 8


def pad(rows: Sequence[Sequence[float]], fill: float, dtype: torch.dtype) -> Tensor:
    """Return rows of different lengths as one matrix whose width is a power of two.

    Examples
    --------
    >>> pad([[1, 2], [3]], 0, torch.int64)
    tensor([[1, 2, 0, 0, 0, 0, 0, 0],
            [3, 0, 0, 0, 0, 0, 0, 0]])
    """
    padded = torch.full((len(rows), _roomy(max(map(len, rows)))), fill, dtype=dtype)
    for number, row in enumerate(rows):
        padded[number, : len(row)] = torch.tensor(row, dtype=dtype)
    return padded


def lengths(inputs: Mapping[str, Tensor]) -> Tensor:
    """Return the number of tokens that each row reads."""
    return inputs["attention_mask"].sum(dim=1)


def trimmed(inputs: Mapping[str, Tensor], *, exactly: bool) -> dict[str, Tensor]:
    """Return a batch without the padding that all its rows have in common.

    Parameters
    ----------
    inputs
        Matrices ``(rows, tokens)`` by name.
    exactly
        Else to a power of two: then a width never grows in the ratio in which rows do, which is how layers are told
        where their rows are.
    """
    read = int(lengths(inputs).max())
    decoded = int((inputs["labels"] != IGNORED).sum(dim=1).max()) if "labels" in inputs else read
    widths = {name: decoded if name in DECODED else read for name in inputs}
    kept = {name: width if exactly else _roomy(width) for name, width in widths.items()}
    return {name: part[:, : kept[name]].contiguous() for name, part in inputs.items()}


def in_blocks(run: Callable[[dict[str, Tensor]], Tensor], inputs: Mapping[str, Tensor], tokens: int) -> Tensor:
    """Return what ``run`` returns for all rows, run on blocks of rows of like length with about so many tokens."""
    length = lengths(inputs)
    order = length.argsort(stable=True)
    rows = max(4, tokens // _roomy(int(length.max())))
    parts = [run(trimmed(dict(select(inputs, block)), exactly=False)) for block in torch.split(order, rows)]
    return torch.cat(parts)[order.argsort()]


def _roomy(width: int) -> int:
    """Return the power of two that has room for so many tokens."""
    return max(_NARROWEST, 1 << (width - 1).bit_length())
