"""Known losses of subsets as a list of single observations, on the scale on which effects of partners add up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cotrain.affinity.subset_losses import SubsetLosses
from cotrain.errors import InputError

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Points:
    """Pairs of a task and a subset that holds it.

    Parameters
    ----------
    task
        ``(points,)``: column of the task.
    partners
        ``(points, tasks)`` of 0 and 1: who else is in the subset.
    network
        ``(points,)``: which points come from one network.
    seed
        ``(points,)``: seed of that network.
    rows
        ``(points,)``: which part of the validation rows the loss is a mean over; negative: of rows in general.
    """

    task: NDArray[np.int64]
    partners: Floats
    network: NDArray[np.int64]
    seed: NDArray[np.int64]
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.task)

    @classmethod
    def of(cls, mask: NDArray[np.bool_], seeds: NDArray[np.int64] | None = None, *, rows: int = -1) -> Points:
        """Return all pairs of subsets ``mask (subsets, tasks)`` and their members, subset by subset.

        ``seeds (subsets,)`` are all different where they are not given; all losses are over the same ``rows``.
        """
        network, task = np.nonzero(mask)
        partners = mask[network].astype(np.float64)
        partners[np.arange(len(task)), task] = 0.0
        return cls(task, partners, network, network if seeds is None else seeds[network], np.full(len(task), rows))

    def at(self, index: NDArray[np.int64] | slice) -> Points:
        """Return the points at ``index``."""
        return Points(*(part[index] for part in self.arrays))

    def joined(self, other: Points) -> Points:
        """Return these points and then the other ones, of other networks."""
        moved = replace(other, network=other.network + int(self.network.max(initial=-1)) + 1)
        return Points.concatenated([self, moved])

    @classmethod
    def concatenated(cls, several: Sequence[Points]) -> Points:
        """Return all points in one list."""
        return cls(*(np.concatenate(arrays) for arrays in zip(*(points.arrays for points in several), strict=True)))

    @property
    def arrays(self) -> tuple[NDArray[Any], ...]:
        """All arrays, in the order of the constructor."""
        return self.task, self.partners, self.network, self.seed, self.rows


@dataclass(frozen=True, eq=False)
class Observations:
    """Observed benefits: how far each loss lies below that of the task alone.

    Parameters
    ----------
    points
        What was observed; every task alone is among them.
    benefit
        ``(points,)``: ``log(alone / loss)``, on which factors add up; where a loss is not positive, the gain itself.
    is_logarithm
        Which of both.
    """

    points: Points
    benefit: Floats
    is_logarithm: bool

    @classmethod
    def of(cls, tables: Sequence[SubsetLosses], seeds: NDArray[np.int64] | None = None) -> Observations:
        """Return the known losses of tables that tell of the same subsets, each on another part of the rows.

        Parameters
        ----------
        tables
            One is enough; then nothing tells what is peculiar to the rows.
        seeds
            ``(subsets,)``: with which seed each row of a table was trained.

        Raises
        ------
        InputError
            When a task was never alone.
        """
        alone: NDArray[np.bool_] = np.isfinite(np.stack([table.alone for table in tables])).max(axis=0)
        if not alone.all():
            absent = [name for number, name in enumerate(tables[0].tasks) if not alone[number]]
            raise InputError(f"`losses` must hold every task alone: gains are relative to that. Missing: {absent}.")
        is_logarithm = all(bool((table.loss[table.mask & np.isfinite(table.loss)] > 0).all()) for table in tables)
        parts = len(tables) > 1
        observed = [
            _observed(table, seeds, number if parts else -1, is_logarithm) for number, table in enumerate(tables)
        ]
        points = Points.concatenated([points for points, _ in observed])
        return cls(points, np.concatenate([benefit for _, benefit in observed]), is_logarithm)

    def gain(self, benefit: Floats) -> Floats:
        """Return benefits as gains ``1 - loss / alone``."""
        gain: Floats = -np.expm1(-benefit) if self.is_logarithm else benefit
        return gain


def _observed(
    table: SubsetLosses, seeds: NDArray[np.int64] | None, rows: int, is_logarithm: bool
) -> tuple[Points, Floats]:
    known = table.mask & np.isfinite(table.loss) & np.isfinite(table.alone)
    points = Points.of(table.mask, seeds, rows=rows).at(np.flatnonzero(known[table.mask]))
    loss, alone = table.loss[known], table.alone[points.task]
    return points, np.log(alone / loss) if is_logarithm else (alone - loss) / np.maximum(np.abs(alone), 1e-12)
