"""Closing the gap between a partition and its bound: relaxation, rounding, triangle inequalities."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cotrain.grouping.density.relaxation import Relaxation
from cotrain.grouping.density.rounding import spectral_rounding, threshold_rounding, with_groups
from cotrain.grouping.density.splitting import Iterate, Splitting
from cotrain.grouping.density.triangles import Triangles
from cotrain.grouping.matrices import Labels, Matrix

Improve: TypeAlias = Callable[[NDArray[np.int64]], tuple[Labels, float]]
"""Local search: from partitions ``(starts, tasks)`` to the best local optimum and its value."""

_FIRST_STEPS, _STEPS, _MOST_CHECKS = 25, 10, 20
_ROUND_EVERY = 2  # checks; a rounding costs as much as many steps
_TIGHT = 0.1  # share of the tolerance below which a gap is not worth more than the published rounding
_STALLED, _TRIANGLES_STALLED = 0.3, 0.1  # share of the remaining gap that the bound must close between checks
_TURN, _TURNS = 5, 10  # steps between two prices of triangles, prices between two searches for new ones
_LOWER_EVERY = 2  # such turns
_TRIANGLES = 10  # at most so many new ones for each task
_FIRST_RAISE, _DECAY = 0.06, 0.3  # of the prices, in units of the splitting's weight


class Certificate:
    """The best partition and the lowest bound so far, brought together step by step."""

    def __init__(self, relaxation: Relaxation, labels: Labels, value: float, *, tolerance: float) -> None:
        self.relaxation, self.tolerance = relaxation, tolerance
        self.labels, self.value = labels, value
        self.bound = relaxation.bound(np.zeros_like(relaxation.matrix))

    @property
    def is_close(self) -> bool:
        """Whether the gap is within tolerance."""
        return self.bound - self.value <= self.tolerance * abs(self.bound)

    def offer(self, labels: Labels, value: float) -> None:
        """Take a partition if it is better."""
        if value > self.value:
            self.labels, self.value = labels, value

    def tighten(self, improve: Improve, *, seed: int) -> str:
        """Solve the relaxation, then add triangle inequalities where that leaves a gap; return how it ended."""
        splitting = Splitting(self.relaxation)
        for check in range(_MOST_CHECKS):
            before = self.bound
            iterate = splitting.run(_STEPS if check else _FIRST_STEPS)
            self._lower(self.relaxation, iterate.multiplier)
            if check % _ROUND_EVERY == 0:
                self._round(iterate.solution, improve, seed)
            if self.is_close or self._stalled(before, _STALLED):
                break
        if self.is_close:
            return "gap within tolerance"
        self._add_triangles(splitting, iterate, improve, seed)
        return "gap within tolerance, with triangle inequalities" if self.is_close else "triangle inequalities stalled"

    def _add_triangles(self, splitting: Splitting, iterate: Iterate, improve: Improve, seed: int) -> None:
        """Raise the prices of violated inequalities while the splitting goes on with what they leave."""
        size = len(self.labels)
        triangles, before = Triangles.none(size), np.inf
        for turn in range(_TURNS * _MOST_CHECKS):
            if turn % _TURNS == 0:
                if self._stalled(before, _TRIANGLES_STALLED):
                    return
                before = self.bound
                triangles = triangles.renewed(iterate.solution, _TRIANGLES * size)
            step = _FIRST_RAISE / (1 + _DECAY * turn) * splitting.weight
            triangles = triangles.repriced(iterate.solution, step)
            priced = Relaxation(self.relaxation.matrix - triangles.matrix, self.relaxation.count)
            splitting.aim(priced.matrix)
            iterate = splitting.run(_TURN)
            if turn % _LOWER_EVERY == _LOWER_EVERY - 1:
                self._lower(priced, iterate.multiplier)
            if self.is_close:
                return
            if turn % _TURNS == _TURNS - 1:
                self._round(iterate.solution, improve, seed)

    @property
    def _is_tight(self) -> bool:
        return self.bound - self.value <= _TIGHT * self.tolerance * abs(self.bound)

    def _stalled(self, before: float, share: float) -> bool:
        return before - self.bound < share * (self.bound - self.value)

    def _lower(self, relaxation: Relaxation, multiplier: Matrix) -> None:
        self.bound = min(self.bound, relaxation.bound(multiplier))

    def _round(self, solution: Matrix, improve: Improve, seed: int) -> None:
        matrix, count = self.relaxation.matrix, self.relaxation.count
        groups = count.most if count.exact else len(np.unique(self.labels))
        published = threshold_rounding(solution)
        if not count.allows(int(published.max()) + 1):
            published = with_groups(matrix, published, groups)
        starts = [published]
        if not self._is_tight:
            starts.append(with_groups(matrix, spectral_rounding(solution, groups, seed=seed), groups))
        self.offer(*improve(np.stack(starts)))
