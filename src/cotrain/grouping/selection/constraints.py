"""What a group may look like: size, who belongs together, who must not meet, who needs whom."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy.sparse.csgraph import connected_components

from cotrain import checks
from cotrain.errors import InputError
from cotrain.grouping.selection.networks import Bools, Floats


@dataclass(frozen=True)
class Constraints:
    """Rules that every chosen group keeps.

    Parameters
    ----------
    maximum_group_size
        Most tasks in one network, helpers included.
    must_link
        Sets of tasks that one network serves together.
    cannot_link
        Sets of tasks of which no two may train in one network, not even as helpers.
    required_helpers
        Task -> tasks that must train in whatever network serves it.

    Examples
    --------
    >>> Constraints(maximum_group_size=4, must_link=[("a", "b")], required_helpers={"a": ("c",)})
    Constraints(maximum_group_size=4, must_link=[('a', 'b')], cannot_link=(), required_helpers={'a': ('c',)})
    """

    maximum_group_size: int | None = None
    must_link: Sequence[Iterable[str]] = ()
    cannot_link: Sequence[Iterable[str]] = ()
    required_helpers: Mapping[str, Iterable[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.maximum_group_size is not None:
            checks.at_least("maximum_group_size", self.maximum_group_size, 1)

    def resolve(self, tasks: Sequence[str]) -> Rules:
        """Return the rules on positions in ``tasks``.

        Raises
        ------
        InputError
            All unknown names and contradictions at once.
        """
        problems = list(self._unknown(tasks))
        if problems:
            raise InputError(problems)
        rules = Rules(
            self.maximum_group_size or len(tasks), _units(tasks, self.must_link), self._conflicts(tasks),
            self._needs(tasks),
        )  # fmt: skip
        problems = list(_contradictions(tasks, rules))
        if problems:
            raise InputError(problems)
        return rules

    def _unknown(self, tasks: Sequence[str]) -> Iterator[str]:
        named = {
            "must_link": [name for group in self.must_link for name in group],
            "cannot_link": [name for group in self.cannot_link for name in group],
            "required_helpers": [name for task, helpers in self.required_helpers.items() for name in (task, *helpers)],
        }
        for parameter, names in named.items():
            for name in sorted(set(names) - set(tasks)):
                yield f"`{parameter}` names the unknown task {name!r}.{checks.did_you_mean(name, tasks)}"

    def _conflicts(self, tasks: Sequence[str]) -> Bools:
        conflicts = np.zeros((len(tasks), len(tasks)), dtype=bool)
        for group in self.cannot_link:
            index = [tasks.index(name) for name in set(group)]
            conflicts[np.ix_(index, index)] = True
        np.fill_diagonal(conflicts, val=False)
        return conflicts

    def _needs(self, tasks: Sequence[str]) -> Bools:
        needs = np.eye(len(tasks), dtype=bool)
        for task, helpers in self.required_helpers.items():
            needs[tasks.index(task), [tasks.index(name) for name in helpers]] = True
        return needs


@dataclass(frozen=True, eq=False)
class Rules:
    """:class:`Constraints` on task positions.

    Parameters
    ----------
    maximum_size
        Most tasks in one network.
    units
        ``(units, tasks)``: the tasks that are served together; a partition of the tasks.
    conflicts
        ``(tasks, tasks)``: pairs that may not meet.
    needs
        ``(tasks, tasks)``: who must be in the network that serves the row's task, itself included.
    """

    maximum_size: int
    units: Bools
    conflicts: Bools
    needs: Bools

    @cached_property
    def unit_needs(self) -> Bools:
        """``(units, tasks)``: who must be in the network that serves the unit."""
        needs: Bools = self.units.astype(np.float64) @ self.needs.astype(np.float64) > 0
        return needs

    @cached_property
    def are_free(self) -> bool:
        """Whether every task is served on its own and needs nobody."""
        count = self.units.shape[1]
        return bool(len(self.units) == count and self.needs.sum() == count)

    def allowed(self, members: Bools) -> Bools:
        """Return which groups ``(groups, tasks)`` may exist at all."""
        size = members.sum(axis=1)
        allowed: Bools = (size >= 1) & (size <= self.maximum_size) & peaceful(members, self.conflicts)
        return allowed

    def unit_values(self, members: Bools, scores: Floats) -> Floats:
        """Sum task scores ``(groups, tasks)`` over units; ``-inf`` where a member or a required helper is absent."""
        if self.are_free:
            return scores
        needs = self.unit_needs.astype(np.float64)
        complete = members.astype(np.float64) @ needs.T >= needs.sum(axis=1)
        finite = np.isfinite(scores)
        sums = np.where(finite, scores, 0.0) @ self.units.T.astype(np.float64)
        scored = finite.astype(np.float64) @ self.units.T.astype(np.float64) >= self.units.sum(axis=1)
        return np.where(complete & scored, sums, -np.inf)


def peaceful(members: Bools, conflicts: Bools) -> Bools:
    """Return which groups ``(groups, tasks)`` hold no pair of ``conflicts`` ``(tasks, tasks)``."""
    if not conflicts.any():
        return np.ones(len(members), dtype=bool)
    met: Bools = (members.astype(np.float64) @ conflicts.astype(np.float64) > 0) & members
    peace: Bools = met.sum(axis=1) == 0
    return peace


def _units(tasks: Sequence[str], must_link: Sequence[Iterable[str]]) -> Bools:
    linked = np.eye(len(tasks), dtype=bool)
    if not must_link:
        return linked
    for group in must_link:
        index = [tasks.index(name) for name in group]
        linked[np.ix_(index, index)] = True
    labels = connected_components(linked, directed=False)[1]
    _, first = np.unique(labels, return_index=True)
    return np.array([labels == labels[position] for position in sorted(first)])


def _contradictions(tasks: Sequence[str], rules: Rules) -> Iterator[str]:
    if rules.are_free:
        return
    for unit in rules.unit_needs:
        listed = ", ".join(repr(name) for name, needed in zip(tasks, unit, strict=True) if needed)
        if rules.conflicts[np.ix_(unit, unit)].any():
            yield f"`cannot_link` must not split tasks that `must_link` or `required_helpers` join. Found {listed}."
        if unit.sum() > rules.maximum_size:
            yield (
                f"`maximum_group_size` must leave room for linked tasks and their helpers: {listed} need "
                f"{unit.sum()} places. Found {rules.maximum_size}."
            )
