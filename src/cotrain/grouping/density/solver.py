"""Solving average density by the strongest method that the number of tasks allows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cotrain.grouping.density.agglomeration import agglomerate, cut
from cotrain.grouping.density.certificate import Certificate
from cotrain.grouping.density.column_generation import ColumnGeneration
from cotrain.grouping.density.group_count import GroupCount
from cotrain.grouping.density.local_search import Search, shaken
from cotrain.grouping.density.objective import density, subset_densities
from cotrain.grouping.density.relaxation import Relaxation
from cotrain.grouping.grouping import Proof
from cotrain.grouping.matrices import Labels, Matrix
from cotrain.grouping.selection.set_partition import best_partition
from cotrain.seeding import derive

_PROGRAMMING_UP_TO = 13
_COLUMNS_UP_TO = 24
_RELAXATION_UP_TO = 1000
_SHAKES, _SHAKEN_SHARE = 4, 0.2  # rounds, tasks moved in each
_MOST_COPIES, _COPIES_SIZE = 20, 100_000  # shaken at once: at most, and times tasks and groups


@dataclass(frozen=True)
class Solution:
    """A partition, its value and what is proven about it."""

    labels: Labels
    value: float
    bound: float
    proof: Proof
    status: str


@dataclass(frozen=True)
class DensitySolver:
    """Maximise the average density of a partition of the tasks.

    Parameters
    ----------
    matrix
        Symmetric affinities.
    count
        How many groups, and their price.
    tolerance
        Relative gap at which the relaxation may stop.
    seed
        Of shaking and k-means.
    """

    matrix: Matrix
    count: GroupCount
    tolerance: float = 1.5e-3
    seed: int = 0

    def solve(self) -> Solution:
        """Return the best partition: proven optimal for few tasks, with a bound for more."""
        if self.count.most == 1:
            return self._exact(np.zeros(len(self.matrix), dtype=np.int64), "only one partition")
        if self.count.exact and self.count.most == len(self.matrix):
            return self._exact(np.arange(len(self.matrix)), "only one partition")
        if len(self.matrix) <= _PROGRAMMING_UP_TO:
            return self._by_programming()
        if len(self.matrix) <= _COLUMNS_UP_TO:
            return self._by_columns(self.heuristic()[0])
        labels, value = self.heuristic() if len(self.matrix) > _RELAXATION_UP_TO else self._best(self._merged())
        return self._certified(labels, value)

    def alternatives(self) -> dict[str, float]:
        """Return what all in one and one per task are worth, whether or not their numbers of groups are allowed."""
        return {name: self.value(labels) for name, labels in self._trivial().items()}

    def value(self, labels: Labels) -> float:
        """Return the density of a partition minus the price of its groups."""
        return density(self.matrix, labels) - self.count.penalty * len(np.unique(labels))

    def heuristic(self) -> tuple[Labels, float]:
        """Return the best of local searches from greedy merging, then from what they found, shaken."""
        return self._shaken(*self._best(self._merged()))

    def _best(self, starts: NDArray[np.int64]) -> tuple[Labels, float]:
        """Return the best of the trivial partitions and of what local search makes of the starts."""
        found, _ = self._improved(starts)
        allowed = [labels for labels in self._trivial().values() if self.count.allows(int(labels.max()) + 1)]
        best = max([found, *allowed], key=self.value)
        return best, self.value(best)

    def _trivial(self) -> dict[str, Labels]:
        tasks = len(self.matrix)
        return {"all-in-one": np.zeros(tasks, dtype=np.int64), "one-per-task": np.arange(tasks)}

    def _merged(self) -> NDArray[np.int64]:
        """Return ``(starts, tasks)`` partitions by greedy merging: with the best numbers of groups."""
        most = self.count.most
        merges, values = agglomerate(self.matrix, penalty=self.count.penalty)
        sizes = [most] if self.count.exact else (np.argsort(-values[:most], kind="stable")[:3] + 1).tolist()
        return np.stack([cut(merges, groups) for groups in sizes])

    def _shaken(self, labels: Labels, value: float) -> tuple[Labels, float]:
        """Shake the best partition and search again, in several copies at once, some times."""
        size = labels.size * len(np.unique(labels))
        copies = max(1, min(_MOST_COPIES, _COPIES_SIZE // size))
        rng = np.random.default_rng(derive(self.seed, "density shakes", labels.size))
        for _ in range(_SHAKES):
            found, better = self._improved(shaken(labels, share=_SHAKEN_SHARE, count=copies, rng=rng))
            if better > value:
                labels, value = found, better
        return labels, value

    def _improved(self, starts: NDArray[np.int64]) -> tuple[Labels, float]:
        """Return the best local optimum; where the number is free, there are a few empty groups to move into."""
        slots = self.count
        if not slots.exact:
            slots = GroupCount(min(slots.most, int(starts.max()) + 4), exact=False, penalty=slots.penalty)
        found, values = Search(self.matrix, slots).ascend(starts)
        return found[values.argmax()], float(values.max())

    def _by_programming(self) -> Solution:
        worth = subset_densities(self.matrix) - self.count.penalty
        _, sets = best_partition(worth, self.count.most, exact=self.count.exact)
        return self._exact(self._labels(sets), "optimal by dynamic programming")

    def _by_columns(self, labels: Labels) -> Solution:
        worth = subset_densities(self.matrix) - self.count.penalty
        incumbent = [int((1 << np.flatnonzero(labels == group)).sum()) for group in np.unique(labels)]
        optimum = ColumnGeneration(worth, self.count).solve(incumbent)
        found = self._labels(optimum.subsets)
        if optimum.exact:
            return self._exact(found, "optimal by column generation")
        return Solution(found, self.value(found), optimum.bound, "certified", "bound by column generation")

    def _labels(self, sets: list[int]) -> Labels:
        labels = np.zeros(len(self.matrix), dtype=np.int64)
        for place, members in enumerate(sets):
            labels[(members >> np.arange(len(labels)) & 1).astype(bool)] = place
        return labels

    def _exact(self, labels: Labels, status: str) -> Solution:
        value = self.value(labels)
        return Solution(labels, value, value, "exact", status)

    def _certified(self, labels: Labels, value: float) -> Solution:
        relaxation = Relaxation(self.matrix, self.count)
        certificate = Certificate(relaxation, labels, value, tolerance=self.tolerance)
        if len(self.matrix) > _RELAXATION_UP_TO:
            status = "local search with the eigenvalue bound"
        else:
            status = certificate.tighten(self._improved, seed=derive(self.seed, "rounding"))
            if not certificate.is_close:
                certificate.offer(*self._shaken(certificate.labels, certificate.value))
        bound = max(certificate.bound, certificate.value)
        return Solution(certificate.labels, certificate.value, bound, "certified", status)
