"""The groupings a chosen one is judged against: all in one, one per task, random ones of the same sizes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cotrain.grouping.grouping import Grouping
from cotrain.problem.task import Subset
from cotrain.seeding import derive


def all_in_one(tasks: Sequence[str]) -> Grouping:
    """Return the grouping with one network for everything."""
    return Grouping.from_groups([tasks], tasks=tasks, method="all-in-one")


def one_per_task(tasks: Sequence[str]) -> Grouping:
    """Return the grouping with one network per task."""
    return Grouping.from_groups([[task] for task in tasks], tasks=tasks, method="one-per-task")


def random_like(grouping: Grouping, *, draws: int, seed: int = 0) -> tuple[Grouping, ...]:
    """Return ``draws`` groupings like the given one with the tasks' names shuffled.

    Sizes, overlaps and the number of tasks each group serves stay as they are: what remains is the question whether it
    matters *which* tasks are together. Where shuffling changes nothing (all in one, one per task) one draw returns.

    Examples
    --------
    >>> chosen = Grouping.from_groups([["a", "b", "c"], ["d"]])
    >>> [len(group) for group in random_like(chosen, draws=1)[0].groups]
    [3, 1]
    """
    served = tuple(grouping.serving)
    shapes = {len(group) for group in grouping.groups}
    trivial = shapes in ({1}, {len(served)})
    return tuple(_shuffled(grouping, derive(seed, "random grouping", draw)) for draw in range(1 if trivial else draws))


def _shuffled(grouping: Grouping, seed: int) -> Grouping:
    served, others = sorted(grouping.serving), sorted(set(grouping.tasks) - set(grouping.serving))
    order = np.random.default_rng(seed).permutation(len(served))
    renamed = {old: served[new] for old, new in zip(served, order, strict=True)} | {name: name for name in others}
    groups: tuple[Subset, ...] = tuple(tuple(sorted(renamed[name] for name in group)) for group in grouping.groups)
    serving = {renamed[task]: position for task, position in grouping.serving.items()}
    return Grouping(grouping.tasks, groups, serving, method="random")
