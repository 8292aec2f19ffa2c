"""Local search on the average density: move single tasks, many starting partitions at once; shake what it finds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cotrain.grouping.density.group_count import GroupCount
from cotrain.grouping.matrices import Matrix

_LEAST_GAIN = 1e-11  # of the largest affinity
_MOST_MOVES = 50


@dataclass(frozen=True)
class Search:
    """Steepest-ascent relocation from several starts.

    Parameters
    ----------
    matrix
        Symmetric affinities.
    count
        How many groups; where the number is not exact, groups may empty and empty ones fill.
    """

    matrix: Matrix
    count: GroupCount

    def ascend(self, starts: NDArray[np.int64]) -> tuple[NDArray[np.int64], Matrix]:
        """Return the locally optimal ``(starts, tasks)`` labels and their values.

        Every round moves, in each start that can still gain, the task whose move gains most, and with it every task
        whose move gains more than all others that touch the same two groups: ``O(starts * tasks * groups)`` a round, at
        most ``50 * tasks`` rounds.
        """
        state = _State.of(self, starts)
        for _ in range(_MOST_MOVES * len(self.matrix)):
            if not state.step():
                break
        state.retire(np.ones(len(state.row), dtype=bool))
        return state.finished_labels, state.finished_values


@dataclass
class _State:
    """Starts still moving; ``row`` says which of the finished ones each becomes."""

    search: Search
    row: NDArray[np.int64]
    labels: NDArray[np.int64]
    received: Matrix
    inside: Matrix
    sizes: Matrix
    finished_labels: NDArray[np.int64]
    finished_values: Matrix
    least: float

    @classmethod
    def of(cls, search: Search, starts: NDArray[np.int64]) -> _State:
        member = np.eye(search.count.most)[starts]
        received = np.matmul(search.matrix, member)
        inside = (received * member).sum(axis=1)
        row = np.arange(len(starts))
        empty = np.full(len(starts), -np.inf)
        least = _LEAST_GAIN * float(np.abs(search.matrix).max())
        return cls(search, row, starts.copy(), received, inside, member.sum(axis=1), starts.copy(), empty, least)

    def step(self) -> bool:
        """Make the best moves in every start; retire those without one. False when none is left."""
        gains = self._gains()
        target = gains.argmax(axis=2)
        gain = np.take_along_axis(gains, target[:, :, None], axis=2)[:, :, 0]
        moving = gain.max(axis=1) > self.least
        best = _undisputed(gain[moving], self.labels[moving], target[moving], self.search.count.most, self.least)
        self.retire(~moving)
        if not moving.any():
            return False
        rows, tasks = np.nonzero(best)
        self._move(rows, tasks, target[moving][rows, tasks])
        return True

    def _gains(self) -> Matrix:
        rows, tasks = np.arange(len(self.row))[:, None], np.arange(self.labels.shape[1])
        own, alone = self.search.matrix.diagonal(), self.sizes[rows, self.labels]
        value = self._value(self.inside, self.sizes)
        left = self._value(
            self.inside[rows, self.labels] - 2 * self.received[rows, tasks, self.labels] + own, alone - 1
        )
        leaving = left - value[rows, self.labels]
        if self.search.count.exact:
            leaving[alone == 1] = -np.inf
        joined = self.inside[:, None, :] + 2 * self.received + own[:, None]
        joined = joined / (self.sizes[:, None, :] + 1) - self.search.count.penalty
        gain: Matrix = leaving[:, :, None] + (joined - value[:, None, :])
        gain[rows, tasks, self.labels] = -np.inf
        return gain

    def _value(self, inside: Matrix, sizes: Matrix) -> Matrix:
        return np.where(sizes > 0, inside / np.maximum(sizes, 1) - self.search.count.penalty, 0.0)

    def retire(self, done: NDArray[np.bool_]) -> None:
        """Record the starts that are done and drop them."""
        if not done.any():
            return
        self.finished_labels[self.row[done]] = self.labels[done]
        self.finished_values[self.row[done]] = self._value(self.inside[done], self.sizes[done]).sum(axis=1)
        keep = ~done
        self.row, self.labels, self.received = self.row[keep], self.labels[keep], self.received[keep]
        self.inside, self.sizes = self.inside[keep], self.sizes[keep]

    def _move(self, rows: NDArray[np.int64], tasks: NDArray[np.int64], target: NDArray[np.int64]) -> None:
        """Move tasks between groups of which, in each row, no two moves share one."""
        matrix, origin = self.search.matrix, self.labels[rows, tasks]
        own = matrix[tasks, tasks]
        self.inside[rows, origin] += own - 2 * self.received[rows, tasks, origin]
        self.inside[rows, target] += own + 2 * self.received[rows, tasks, target]
        self.sizes[rows, origin] -= 1
        self.sizes[rows, target] += 1
        self.received[rows, :, origin] -= matrix[tasks]
        self.received[rows, :, target] += matrix[tasks]
        self.labels[rows, tasks] = target


def _undisputed(
    gain: Matrix, origin: NDArray[np.int64], target: NDArray[np.int64], groups: int, least: float
) -> NDArray[np.bool_]:
    """Tell which of the tasks' best moves ``(starts, tasks)`` come first, by gain, at both groups they touch."""
    order = np.argsort(-gain, axis=1, kind="stable")
    rank, row = np.empty_like(order), np.arange(len(gain))[:, None]
    rank[row, order] = np.arange(gain.shape[1])
    first = np.full((len(gain), groups), gain.shape[1])
    for group in (origin, target):
        np.minimum.at(first, (row, group), rank)
    undisputed: NDArray[np.bool_] = (gain > least) & (first[row, origin] == rank) & (first[row, target] == rank)
    return undisputed


def shaken(labels: NDArray[np.int64], *, share: float, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return ``(count, tasks)`` copies in which a share of the tasks have exchanged labels; group sizes stay."""
    copies = np.repeat(labels[None], count, axis=0)
    for copy in copies:
        chosen = rng.permutation(len(labels))[: max(2, round(share * len(labels)))]
        copy[chosen] = copy[rng.permutation(chosen)]
    return copies
