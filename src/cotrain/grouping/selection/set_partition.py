"""The best partition of few items into a limited number of sets, by dynamic programming over subsets."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cotrain.grouping.selection.networks import Floats


def best_partition(value: Floats, sets: int, *, exact: bool = False) -> tuple[float, list[int]]:
    """Partition all items into at most (``exact``: exactly) ``sets`` sets of largest total value.

    ``best_k(S) = max over U in S holding the lowest item of S: value(U) + best_{k-1}(S without U)``;
    ``O(sets 3^items / 2)``, vectorised over all pairs (S, U).

    Parameters
    ----------
    value
        ``(2^items,)``: worth of each set by its bit pattern; ``-inf`` where it may not exist.
    sets
        Most sets.
    exact
        Whether fewer sets are refused.

    Returns
    -------
    total, chosen
        ``-inf`` and an empty list when no partition exists.

    Examples
    --------
    >>> best_partition(np.array([0.0, 1.0, 1.0, 3.0]), 2)
    (3.0, [3])
    """
    wholes, parts, starts = _splits(len(value).bit_length() - 1)
    layers = [np.where(np.arange(len(value)) == 0, 0.0, -np.inf)]
    for _ in range(sets):
        totals = value[parts] + layers[-1][wholes ^ parts]
        best = np.maximum.reduceat(totals, starts)
        layers.append(np.concatenate([[-np.inf if exact else 0.0], best]))
    return float(layers[-1][-1]), _trace(value, layers)


def _trace(value: Floats, layers: list[Floats]) -> list[int]:
    _, parts, starts = _splits(len(value).bit_length() - 1)
    ends = np.append(starts[1:], len(parts))
    chosen: list[int] = []
    rest = len(value) - 1
    for layer in reversed(layers[:-1]):
        if rest == 0 or not np.isfinite(layers[-1][-1]):
            break
        options = parts[starts[rest - 1] : ends[rest - 1]]
        totals = value[options] + layer[rest ^ options]
        chosen.append(int(options[totals.argmax()]))
        rest ^= chosen[-1]
    return chosen


@lru_cache(maxsize=4)
def _splits(items: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """All pairs (S, U) with U in S holding S's lowest item, by S; and where each S begins."""
    wholes, parts = np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64)
    for bit in (1 << np.arange(items)).tolist():
        wholes, parts = (
            np.concatenate([wholes, wholes | bit, wholes | bit]),
            np.concatenate([parts, parts, parts | bit]),
        )
    keep = (parts & wholes & -wholes) > 0
    wholes, parts = wholes[keep], parts[keep]
    order = np.lexsort((parts, wholes))
    wholes, parts = wholes[order], parts[order]
    starts = np.flatnonzero(np.append(True, wholes[1:] != wholes[:-1]))
    return wholes, parts, starts
