"""A task arrives or leaves: regroup from the networks in use and retrain few of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cotrain import checks
from cotrain.affinity.affinity import Affinity
from cotrain.errors import InputError
from cotrain.grouping.grouping import Grouping
from cotrain.grouping.network_selection import NetworkSelection
from cotrain.problem.task import Subset


@dataclass(frozen=True)
class Regrouping:
    """What changes when the tasks change.

    Parameters
    ----------
    grouping
        The new grouping.
    kept
        Networks in use that stay; one that lost a task counts as the group of those that remain.
    retrained
        Networks to train.
    dropped
        Networks in use that serve nobody any more.
    moved
        Tasks now served by another network than before, newcomers included.
    from_scratch
        The best grouping were all networks trained anew.

    Examples
    --------
    >>> affinity = Affinity.from_matrix("abc", [[0, 0.2, -0.1], [0.1, 0, -0.1], [0.3, -0.2, 0]])
    >>> regrouping = regroup(NetworkSelection(networks=2), Grouping.from_groups([["a", "b"]]), affinity)
    >>> regrouping.kept, regrouping.retrained, regrouping.moved
    ((('a', 'b'),), (('a', 'c'),), ('c',))
    """

    grouping: Grouping
    kept: tuple[Subset, ...]
    retrained: tuple[Subset, ...]
    dropped: tuple[Subset, ...]
    moved: tuple[str, ...]
    from_scratch: Grouping

    @property
    def trainings_saved(self) -> int:
        """Networks that need no training although training all anew would have trained them."""
        return len(self.from_scratch.groups) - len(self.retrained)

    @property
    def objective_lost(self) -> float:
        """How far the objective stays behind that of training all networks anew; at least zero up to rounding."""
        return self.from_scratch.objective - self.grouping.objective

    def __repr__(self) -> str:
        return (
            f"Regrouping({len(self.kept)} kept, {len(self.retrained)} to train, {len(self.dropped)} dropped, "
            f"{len(self.moved)} tasks moved; {self.objective_lost:.3g} below the best from scratch)"
        )


def regroup(
    selection: NetworkSelection, current: Grouping, affinity: Affinity, *, retrain: int | None = None
) -> Regrouping:
    """Regroup after tasks arrived or left, starting from the networks in use.

    Parameters
    ----------
    selection
        Budget and constraints; its ``switching_cost``, if any, is charged for every network to train.
    current
        The grouping in use. Tasks that ``affinity`` does not hold have left: their networks serve the others still,
        and are scored as if trained without them.
    affinity
        Among the tasks there are now.
    retrain
        Most networks to train; ``None`` sets no limit, and then only ``switching_cost`` holds on to what exists.

    Raises
    ------
    InputError
        When newcomers cannot be served within ``retrain`` and the budget.
    """
    if retrain is not None:
        checks.at_least("retrain", retrain, 0)
    existing = _remaining(current, affinity.tasks)
    newcomers = sorted(set(affinity.tasks) - set(existing.serving))
    if newcomers and retrain == 0:
        raise InputError(f"`retrain` must be at least 1 to serve the new tasks {newcomers}. Found 0.")
    limited = replace(selection, current=existing, new_networks=retrain)
    scratch = replace(selection, current=None, new_networks=None, switching_cost=0.0)
    return _compared(limited.group(affinity), existing, scratch.group(affinity))


def _remaining(current: Grouping, tasks: tuple[str, ...]) -> Grouping:
    """Take the tasks that left out of the groups in use."""
    groups = [tuple(task for task in group if task in tasks) for group in current.groups]
    kept = sorted({group for group in groups if group})
    serving = {
        task: kept.index(groups[position]) for task, position in current.serving.items() if task in tasks
    }  # fmt: skip
    return Grouping(tuple(tasks), tuple(kept), serving)


def _compared(now: Grouping, before: Grouping, from_scratch: Grouping) -> Regrouping:
    return Regrouping(
        grouping=now,
        kept=tuple(group for group in now.groups if group in before.groups),
        retrained=tuple(group for group in now.groups if group not in before.groups),
        dropped=tuple(group for group in before.groups if group not in now.groups),
        moved=tuple(
            task for task in now.tasks if task not in before.serving or now.group_of(task) != before.group_of(task)
        ),
        from_scratch=from_scratch,
    )
