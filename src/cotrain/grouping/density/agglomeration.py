"""Greedy merging on the average density: one pass gives a start for every number of groups."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cotrain.grouping.matrices import Labels, Matrix


def agglomerate(
    matrix: Matrix, *, sizes: Matrix | None = None, penalty: float = 0.0
) -> tuple[NDArray[np.int64], Matrix]:
    """Merge greedily from one group per task to one for all.

    Parameters
    ----------
    matrix
        Symmetric affinities, or their sums between groups to start from.
    sizes
        Tasks in each of the groups to start from; default one.
    penalty
        Price of each group.

    Returns
    -------
    merges
        ``(tasks - 1, 2)``: the two groups joined at each step; the second takes the first's label.
    values
        ``(tasks,)``: density minus penalty with ``1, 2, ..., tasks`` groups.

    Notes
    -----
    About ``O(tasks^2)`` operations times the number of groups whose best partner changes in a merge, a few.
    """
    return _Agglomeration(matrix, np.ones(len(matrix)) if sizes is None else sizes.copy(), penalty).run()


class _Agglomeration:
    def __init__(self, matrix: Matrix, sizes: Matrix, penalty: float) -> None:
        self.count, self.penalty = len(matrix), penalty
        self.links, self.inside, self.sizes = matrix.copy(), matrix.diagonal().copy(), sizes
        self.alive = np.ones(len(matrix), dtype=bool)
        self.gain = np.full_like(matrix, -np.inf)
        for group in range(self.count):
            self._price(group)
        self.partner, self.top = self.gain.argmax(axis=1), self.gain.max(axis=1)

    def run(self) -> tuple[NDArray[np.int64], Matrix]:
        value = float((self.inside / self.sizes).sum()) - self.penalty * self.count
        merges, values = np.zeros((self.count - 1, 2), dtype=np.int64), [value]
        for step in range(self.count - 1):
            group = int(self.top.argmax())
            kept, lost = sorted((group, int(self.partner[group])))
            value += float(self.gain[kept, lost])
            self._merge(kept, lost)
            merges[step] = kept, lost
            values.append(value)
        return merges, np.array(values[::-1])

    def _merge(self, kept: int, lost: int) -> None:
        self.inside[kept] += self.inside[lost] + 2 * self.links[kept, lost]
        self.sizes[kept] += self.sizes[lost]
        self.links[kept] += self.links[lost]
        self.links[:, kept] += self.links[:, lost]
        self.alive[lost] = False
        self.gain[lost] = self.gain[:, lost] = -np.inf
        self._price(kept)
        self._find_partners(kept, lost)

    def _find_partners(self, kept: int, lost: int) -> None:
        """Look again where the best partner was one of the two, or the merged group became the best."""
        stale = (self.partner == kept) | (self.partner == lost)
        stale[kept] = True
        self.partner[stale], self.top[stale] = self.gain[stale].argmax(axis=1), self.gain[stale].max(axis=1)
        better = self.gain[:, kept] > self.top
        self.partner[better], self.top[better] = kept, self.gain[better, kept]

    def _price(self, group: int) -> None:
        """Set what merging ``group`` with each other living one would gain."""
        mean = self.inside / self.sizes
        joint = (self.inside[group] + self.inside + 2 * self.links[group]) / (self.sizes[group] + self.sizes)
        gain = np.where(self.alive, joint - mean[group] - mean + self.penalty, -np.inf)
        gain[group] = -np.inf
        self.gain[group] = self.gain[:, group] = gain


def cut(merges: NDArray[np.int64], groups: int) -> Labels:
    """Return the labels after all but the last ``groups - 1`` merges, renumbered from zero."""
    parent = np.arange(len(merges) + 1)
    for kept, lost in merges[: len(merges) + 1 - groups]:
        parent[parent == lost] = kept
    labels: Labels = np.unique(parent, return_inverse=True)[1]
    return labels
