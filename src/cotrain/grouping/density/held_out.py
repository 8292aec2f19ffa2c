"""Choosing the number of groups on subset losses that the groups were not chosen on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cotrain.affinity.affinity import Affinity
from cotrain.affinity.aggregation import co_occurrence_mean
from cotrain.affinity.subset_losses import SubsetLosses
from cotrain.grouping.density.agglomeration import agglomerate, cut
from cotrain.grouping.density.group_count import GroupCount
from cotrain.grouping.density.local_search import Search
from cotrain.grouping.density.objective import density
from cotrain.grouping.matrices import Matrix, known
from cotrain.seeding import derive

_SPLITS = 5
_LEAST_KNOWN = 0.9
_CANDIDATES = 24


@dataclass(frozen=True)
class HeldOut:
    """Pairs of matrices: groups are fitted on the first and scored on the second.

    Parameters
    ----------
    folds
        Symmetric gains with zero diagonal, tasks in alphabetical order, from disjoint halves of the subsets.
    """

    folds: tuple[tuple[Matrix, Matrix], ...]

    @classmethod
    def of(cls, affinity: Affinity, seed: int) -> HeldOut | None:
        """Split the subset losses in halves, several times, both ways; None where halves leave pairs unseen.

        A half must know nine pairs of ten: with every pair measured once, there is nothing to hold out.
        """
        losses = affinity.subset_losses
        if losses is None or len(affinity.tasks) < 2 or not np.isfinite(losses.alone).all():
            return None
        losses = losses.with_tasks(sorted(losses.tasks))
        halves = [_halves(losses, derive(seed, "held out", split)) for split in range(_SPLITS)]
        if any(np.isnan(half).mean() > 1 - _LEAST_KNOWN for pair in halves for half in pair):
            return None
        filled = [tuple(_filled(half, losses.tasks) for half in pair) for pair in halves]
        return cls(tuple(fold for one, other in filled for fold in ((one, other), (other, one))))

    def choose(self, count: GroupCount) -> int:
        """Return the number of groups whose partitions score best on the held-out halves; the fewest among equals.

        Up to 24 numbers of groups are tried, evenly by ratio, then all between the neighbours of the best.
        """
        sizes = np.unique(np.geomspace(1, count.most, _CANDIDATES).round().astype(int)).tolist()
        scores = self.scores(sizes, count.penalty)
        best = sizes.index(max(scores, key=lambda groups: (scores[groups], -groups)))
        around = range(sizes[max(best - 1, 0)], sizes[min(best + 1, len(sizes) - 1)] + 1)
        scores |= self.scores([groups for groups in around if groups not in scores], count.penalty)
        return max(scores, key=lambda groups: (scores[groups], -groups))

    def scores(self, sizes: list[int], penalty: float = 0.0) -> dict[int, float]:
        """Return, by number of groups, the mean held-out value of the partitions fitted on the other halves.

        Fitting is greedy merging improved by single moves.
        """
        total = dict.fromkeys(sizes, 0.0)
        for fitted, scored in self.folds:
            merges, _ = agglomerate(fitted)
            for groups in sizes:
                found, _ = Search(fitted, GroupCount(groups)).ascend(cut(merges, groups)[None])
                total[groups] += density(scored, found[0]) / len(self.folds)
        return {groups: value - penalty * groups for groups, value in total.items()}


def _halves(losses: SubsetLosses, seed: int) -> tuple[Matrix, Matrix]:
    """Return the matrices of two random halves of the subsets of several tasks; both see every task alone."""
    several = np.flatnonzero(losses.sizes > 1)
    several = several[sorted(range(len(several)), key=lambda row: losses.subsets[several[row]])]
    first = np.random.default_rng(seed).permutation(len(several)) < len(several) // 2
    return _matrix(losses, several[first]), _matrix(losses, several[~first])


def _matrix(losses: SubsetLosses, rows: NDArray[np.int64]) -> Matrix:
    keep = losses.sizes == 1
    keep[rows] = True
    return co_occurrence_mean(losses.where(keep)).matrix


def _filled(matrix: Matrix, tasks: tuple[str, ...]) -> Matrix:
    matrix = known(matrix, tasks, "row-mean")
    return (matrix + matrix.T) / 2
