"""Random groups: what a grouping has to beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cotrain import checks
from cotrain.affinity.affinity import Affinity
from cotrain.errors import InputError
from cotrain.grouping.grouping import Grouping
from cotrain.grouping.matrices import partition, refuse_more_groups_than_tasks
from cotrain.seeding import derive


@dataclass(frozen=True)
class RandomGroups:
    """Deal the tasks at random into groups of given sizes; the affinities are not looked at.

    Parameters
    ----------
    networks
        Number of groups, as equal in size as can be; None means two.
    sizes
        Sizes of the groups, such as those of a grouping to compare with. Gives the number of groups too.
    seed
        Of the draw.

    Examples
    --------
    >>> chosen = Grouping.from_groups([["a", "b", "c"], ["d"]])
    >>> random = RandomGroups(sizes=tuple(map(len, chosen.groups))).group(Affinity.from_matrix("abcd", np.eye(4)))
    >>> sorted(map(len, random.groups))
    [1, 3]
    """

    name: ClassVar[str] = "random"
    citation: ClassVar[str] = ""

    networks: int | None = None
    sizes: tuple[int, ...] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.networks is not None:
            checks.at_least("networks", self.networks, 1)
        if self.sizes is not None and (not self.sizes or min(self.sizes) < 1):
            raise InputError(f"`sizes` must be positive numbers of tasks. Found {self.sizes}.")
        if self.networks is not None and self.sizes is not None:
            raise InputError("`sizes` gives the number of groups. Pass `networks` or `sizes`.")

    def group(self, affinity: Affinity) -> Grouping:
        """Return random groups.

        Raises
        ------
        InputError
            When the sizes do not add up to the number of tasks, or there are fewer tasks than ``networks``.
        """
        labels = np.random.default_rng(derive(self.seed, self.name)).permutation(self._dealt(len(affinity.tasks)))
        return partition(affinity, labels, proof="heuristic", method=self.name)

    def _dealt(self, tasks: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        if self.sizes is None:
            groups = min(2, tasks) if self.networks is None else self.networks
            refuse_more_groups_than_tasks(groups, tasks)
            return np.arange(tasks) % groups
        if sum(self.sizes) != tasks:
            raise InputError(f"`sizes` must add up to the number of tasks, {tasks}. Found {sum(self.sizes)}.")
        return np.repeat(np.arange(len(self.sizes)), self.sizes)
