"""Groups of highest average density that may share tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from cotrain import checks
from cotrain.affinity.affinity import Affinity
from cotrain.errors import InputError
from cotrain.grouping.density.column_generation import ColumnGeneration
from cotrain.grouping.density.group_count import GroupCount
from cotrain.grouping.density.objective import subset_densities
from cotrain.grouping.density.solver import DensitySolver
from cotrain.grouping.density.toggling import toggled
from cotrain.grouping.grouping import Grouping, Proof
from cotrain.grouping.matrices import (
    Diagonal,
    Labels,
    Matrix,
    MatrixOptions,
    Unknown,
    overlapping,
    refuse_more_groups_than_tasks,
)
from cotrain.seeding import derive

_EXACT_UP_TO = 24
_STARTS = 10
_START_CELLS = 10**8  # groups * tasks^2 of all random starts together
_MOST_CELLS = 10**9  # groups * tasks^2, half a minute
_STATUS: dict[Proof, str] = {
    "exact": "optimal by column generation",
    "certified": "bound by column generation",
    "heuristic": "local search",
}


@dataclass(frozen=True)
class OverlappingDensity:
    r"""Choose different groups that together hold every task, of the highest total density.

    Maximises :math:`\sum_G \frac{1}{|G|} \sum_{i, j \in G} A_{ij}` over ``networks`` different groups; each task is
    served by the group in which it receives most on average, and a group that serves nobody is left out. Up to 24 tasks
    by column generation, mostly optimal; above that by local search over single tasks joining or leaving a group, as
    long as groups times squared tasks stay below a thousand million (250 groups of 2,000 tasks).

    Parameters
    ----------
    networks
        Number of groups; None takes as many as the best partition by average density has. More groups never lower the
        total, so that the objective cannot choose.
    diagonal
        Worth of a task alone: ``"zero"`` (right for gains) or ``"keep"`` the matrix's diagonal.
    unknown
        Pairs never seen (NaN): ``"refuse"``, or count them as ``"zero"`` or as the target's ``"row-mean"``.
    seed
        Of the starts of local search.

    Examples
    --------
    >>> matrix = [[0, 1, 0], [1, 0, 1], [0, 1, 0]]
    >>> OverlappingDensity(networks=2).group(Affinity.from_matrix("abc", matrix))
    Grouping('overlapping-density': {a, b, c} {b, c})
    """

    name: ClassVar[str] = "overlapping-density"
    citation: ClassVar[str] = (
        "@article{wang2024towards, title={Towards Principled Task Grouping for Multi-Task Learning}, "
        "author={Wang, Chenguang and Pan, Xuanhao and Yu, Tianshu}, journal={arXiv preprint arXiv:2402.15328}, "
        "year={2024}}"
    )

    networks: int | None = None
    diagonal: Diagonal = "zero"
    unknown: Unknown = "refuse"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.networks is not None:
            checks.at_least("networks", self.networks, 1)
        MatrixOptions(self.diagonal, self.unknown)

    def group(self, affinity: Affinity) -> Grouping:
        """Return the best groups found, with what is proven about them.

        Raises
        ------
        InputError
            When the matrix has unknown or infinite entries, or there are fewer tasks than ``networks``.
        """
        matrix = MatrixOptions(self.diagonal, self.unknown).symmetric(affinity)
        members, bound, proof = self._members(matrix)
        value = _value(matrix, members)
        return overlapping(
            affinity,
            members,
            _serving(matrix, members),
            objective=value,
            bound=max(bound, value),
            proof=proof,
            method=self.name,
            citation=self.citation,
            status=_STATUS[proof],
            notes=(f"{len(members)} groups chosen",),
        )

    def _members(self, matrix: Matrix) -> tuple[NDArray[np.bool_], float, Proof]:
        """Return ``(groups, tasks)`` membership, a bound and its strength."""
        labels = self._partition(matrix)
        tasks = len(matrix)
        disjoint = labels[None, :] == np.unique(labels)[:, None]
        rng = np.random.default_rng(derive(self.seed, self.name, tasks))
        draws = min(_STARTS, _START_CELLS // (disjoint.size * tasks))
        starts = [disjoint, *(disjoint | (rng.random(disjoint.shape) < 0.5) for _ in range(draws))]
        different = [start for start in starts if len(np.unique(start, axis=0)) == len(start)]
        members = max((toggled(matrix, start) for start in different), key=lambda members: _value(matrix, members))
        if tasks > _EXACT_UP_TO:
            return members, float("inf"), "heuristic"
        bits = 1 << np.arange(tasks)
        optimum = ColumnGeneration(subset_densities(matrix), GroupCount(len(members)), cover=True).solve(
            (members @ bits).tolist()
        )
        chosen = (np.array(optimum.subsets)[:, None] & bits).astype(bool)
        return chosen, optimum.bound, "exact" if optimum.exact else "certified"

    def _partition(self, matrix: Matrix) -> Labels:
        tasks = len(matrix)
        if self.networks is not None:
            refuse_more_groups_than_tasks(self.networks, tasks)
        count = GroupCount(tasks, exact=False) if self.networks is None else GroupCount(self.networks)
        labels = DensitySolver(matrix, count, seed=self.seed).heuristic()[0]
        _refuse_too_many_groups(int(labels.max()) + 1, tasks)
        return labels


def _refuse_too_many_groups(groups: int, tasks: int) -> None:
    most = _MOST_CELLS // tasks**2
    if groups > most:
        raise InputError(
            f"`networks` must be at most {most} for {tasks} tasks: local search over overlapping groups takes time in "
            f"proportion to groups * tasks^2. Found {groups}, the best number for a partition where none is given. "
            "Pass fewer, or use 'average-density'."
        )


def _value(matrix: Matrix, members: NDArray[np.bool_]) -> float:
    inside = members.astype(np.float64)
    return float((((inside @ matrix) * inside).sum(axis=1) / inside.sum(axis=1)).sum())


def _serving(matrix: Matrix, members: NDArray[np.bool_]) -> Labels:
    received = (matrix @ members.T) / members.sum(axis=1)
    serving: Labels = np.where(members.T, received, -np.inf).argmax(axis=1)
    return serving
