"""Which subsets to look at: balanced, so that every pair of tasks is seen about equally often."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import ceil

import numpy as np
from numpy.typing import NDArray

from cotrain import checks
from cotrain.seeding import derive

_LARGEST_SUBSET = 10
_PAIRS_ARE_FEW = 60


def balanced_subsets(tasks: Sequence[str], *, size: int, count: int, seed: int = 0) -> NDArray[np.bool_]:
    """Return ``count`` subsets of ``size`` tasks in which all pairs occur about equally often.

    Each subset starts from the task seen least and is extended by the task that has met its members least; ties fall by
    a seeded draw. With 1,100 subsets of ten among 100 tasks every pair meets 9 to 12 times; in as many uniform draws
    between 1 and 22 times.

    Parameters
    ----------
    tasks
        Names, in the order of the columns. The design depends on the set of names, not on their order.
    size
        Tasks in each subset.
    count
        Number of subsets; where no more distinct ones exist, subsets repeat.
    seed
        Of the ties.

    Returns
    -------
    numpy.ndarray
        Boolean ``(count, tasks)``. Cost: ``count * size * tasks`` additions.

    Examples
    --------
    >>> mask = balanced_subsets(list("abcdef"), size=3, count=10)
    >>> co_occurrence(mask)[0].tolist()
    [5, 2, 2, 2, 2, 2]
    """
    checks.within("size", size, 1, len(tasks))
    checks.at_least("count", count, 1)
    rng = np.random.default_rng(derive(seed, "design", size))
    met = np.zeros((len(tasks), len(tasks)))
    mask = np.zeros((count, len(tasks)), dtype=bool)
    for row in mask:
        _fill(row, size, met, rng)
        met += np.outer(row, row)
    return mask[:, _ranks(tasks)]


def co_occurrence(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return ``(tasks, tasks)``: in how many subsets two tasks meet; on the diagonal, how many hold the task."""
    members = mask.astype(np.int64)
    counts: NDArray[np.int64] = members.T @ members
    return counts


def count_for_coverage(tasks: int, size: int, meetings: float) -> int:
    """Return how many subsets of ``size`` give each pair ``meetings`` meetings on average.

    Examples
    --------
    >>> count_for_coverage(100, 10, 10)
    1100
    """
    return ceil(meetings * tasks * (tasks - 1) / (size * (size - 1)))


def singles_and_all(tasks: int) -> NDArray[np.bool_]:
    """Return every task alone, then all together (once, where there is only one)."""
    alone = np.eye(tasks, dtype=bool)
    return alone if tasks == 1 else np.vstack([alone, np.ones((1, tasks), dtype=bool)])


def all_pairs(tasks: int) -> NDArray[np.bool_]:
    """Return all pairs, in lexicographic order of their columns."""
    mask = np.zeros((tasks * (tasks - 1) // 2, tasks), dtype=bool)
    for row, pair in zip(mask, combinations(range(tasks), 2), strict=True):
        row[list(pair)] = True
    return mask


def survey(
    tasks: Sequence[str], *, size: int | None = None, meetings: float = 10.0, seed: int = 0
) -> NDArray[np.bool_]:
    """Return subsets that show every pair of tasks in many companies, where looking at a subset is cheap.

    Every task alone, all together, up to 60 tasks all pairs, and balanced larger subsets.

    Parameters
    ----------
    tasks
        Names, in the order of the columns.
    size
        Tasks in each larger subset; a third of all tasks by default, between 3 and 10.
    meetings
        Mean number of larger subsets in which two tasks meet.
    seed
        Of the design.
    """
    count = len(tasks)
    parts = [singles_and_all(count)]
    if count <= _PAIRS_ARE_FEW:
        parts.append(all_pairs(count))
    if count > 3:
        size = min(size or min(max(3, round(count / 3)), _LARGEST_SUBSET), count - 1)
        wanted = count_for_coverage(count, size, meetings)
        parts.append(balanced_subsets(tasks, size=size, count=wanted, seed=seed))
    return distinct(np.concatenate(parts))


def truth_design(
    tasks: Sequence[str], *, pairs: int | None = 100, larger: int = 100, seed: int = 0
) -> NDArray[np.bool_]:
    """Return subsets worth measuring to judge estimates by: all sizes, every task alone and all together among them.

    Parameters
    ----------
    tasks
        Names, in the order of the columns.
    pairs
        Most pairs, drawn evenly; None: all of them.
    larger
        Subsets of three to all but one tasks, all sizes about equally often; those that repeat are left out.
    seed
        Of the draws.

    Examples
    --------
    >>> truth_design(list("abcde"), larger=6).sum(axis=1).tolist()
    [1, 1, 1, 1, 1, 5, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 4, 4, 4]
    """
    count = len(tasks)
    two = all_pairs(count)
    if pairs is not None and len(two) > pairs > 0:
        two = balanced_subsets(tasks, size=2, count=pairs, seed=seed)
    parts = [singles_and_all(count), two[:pairs]]
    if count > 3 and larger:
        parts.append(of_all_sizes(tasks, 3, count - 1, count=larger, seed=seed))
    return distinct(np.concatenate(parts))


def of_all_sizes(tasks: Sequence[str], smallest: int, largest: int, *, count: int, seed: int = 0) -> NDArray[np.bool_]:
    """Return ``count`` subsets of all sizes about equally often, pairs balanced within a size.

    Examples
    --------
    >>> of_all_sizes(list("abcdef"), 2, 5, count=8).sum(axis=1).tolist()
    [2, 2, 3, 3, 4, 4, 5, 5]
    """
    sizes = np.linspace(smallest, largest, count).round().astype(int)
    parts = [
        balanced_subsets(tasks, size=int(size), count=int(wanted), seed=seed)
        for size, wanted in zip(*np.unique(sizes, return_counts=True), strict=True)
    ]
    return np.concatenate(parts)


def distinct(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the subsets without repeats, each at its first place."""
    _, first = np.unique(mask, axis=0, return_index=True)
    return mask[np.sort(first)]


def _ranks(tasks: Sequence[str]) -> NDArray[np.int64]:
    """Return each task's place in alphabetical order: designs are drawn in that order."""
    return np.argsort(np.argsort(np.array(tasks)))


def _fill(row: NDArray[np.bool_], size: int, met: NDArray[np.float64], rng: np.random.Generator) -> None:
    noise = rng.random(len(row)) * 0.5
    row[int(np.argmin(met.diagonal() + noise))] = True
    for _ in range(size - 1):
        cost = met[row].sum(axis=0) + noise
        cost[row] = np.inf
        row[int(np.argmin(cost))] = True
