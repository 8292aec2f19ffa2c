"""Known losses of subsets as a list of single observations, on the scale on which effects of partners add up."""

from __future__ import annotations

from dataclasses import dataclass

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
    """

    task: NDArray[np.int64]
    partners: Floats
    network: NDArray[np.int64]
    seed: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.task)

    @classmethod
    def of(cls, mask: NDArray[np.bool_], seeds: NDArray[np.int64] | None = None) -> Points:
        """Return all pairs of subsets ``mask (subsets, tasks)`` and their members, subset by subset.

        ``seeds (subsets,)`` are all different where they are not given.
        """
        network, task = np.nonzero(mask)
        partners = mask[network].astype(np.float64)
        partners[np.arange(len(task)), task] = 0.0
        return cls(task, partners, network, network if seeds is None else seeds[network])

    def at(self, index: NDArray[np.int64] | slice) -> Points:
        """Return the points at ``index``."""
        return Points(self.task[index], self.partners[index], self.network[index], self.seed[index])

    def joined(self, other: Points) -> Points:
        """Return these points and then the other ones, of other networks."""
        new = int(self.network.max(initial=-1)) + 1
        pairs = [(self.task, other.task), (self.partners, other.partners), (self.network, other.network + new)]
        return Points(*(np.concatenate(pair) for pair in pairs), np.concatenate([self.seed, other.seed]))


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
    def of(cls, losses: SubsetLosses, seeds: NDArray[np.int64] | None = None) -> Observations:
        """Return the known losses of a table, whose rows were trained with ``seeds (subsets,)``.

        Raises
        ------
        InputError
            When a task was never alone.
        """
        absent = [name for name, loss in zip(losses.tasks, losses.alone, strict=True) if not np.isfinite(loss)]
        if absent:
            raise InputError(f"`losses` must hold every task alone: gains are relative to that. Missing: {absent}.")
        known = losses.mask & np.isfinite(losses.loss)
        points = Points.of(losses.mask, seeds).at(np.flatnonzero(known[losses.mask]))
        loss, alone = losses.loss[known], losses.alone[points.task]
        is_logarithm = bool((loss > 0).all() and (losses.alone > 0).all())
        benefit = np.log(alone / loss) if is_logarithm else (alone - loss) / np.abs(alone)
        return cls(points, benefit, is_logarithm)

    def gain(self, benefit: Floats) -> Floats:
        """Return benefits as gains ``1 - loss / alone``."""
        gain: Floats = -np.expm1(-benefit) if self.is_logarithm else benefit
        return gain
