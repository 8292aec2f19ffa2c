"""Groups of highest average density, exactly for few tasks, with a certificate for many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from cotrain import checks
from cotrain.affinity.affinity import Affinity
from cotrain.errors import InputError
from cotrain.grouping.density.group_count import GroupCount
from cotrain.grouping.density.held_out import HeldOut
from cotrain.grouping.density.solver import DensitySolver, Solution
from cotrain.grouping.grouping import Grouping
from cotrain.grouping.matrices import (
    Diagonal,
    MatrixOptions,
    Unknown,
    partition,
    refuse_more_groups_than_tasks,
)

_CITATION = """@inproceedings{li2024scalable,
  title={Scalable Multitask Learning Using Gradient-based Estimation of Task Affinity},
  author={Li, Dongyue and Sharma, Aneesh and Zhang, Hongyang R.},
  booktitle={Proceedings of the 30th ACM SIGKDD Conference on Knowledge Discovery and Data Mining},
  year={2024}
}"""


@dataclass(frozen=True)
class AverageDensity:
    r"""Partition the tasks so that each receives as much as possible, on average, from its group.

    Maximises :math:`\sum_C \frac{1}{|C|} \sum_{i, j \in C} A_{ij}` minus ``penalty`` for each group. Up to 13 tasks by
    dynamic programming and up to 24 by column generation, both optimal; above that by local search and a semidefinite
    relaxation, whose dual bound says how far from optimal the result can be at most.

    Parameters
    ----------
    networks
        Most groups; one per task by default. How many are taken is chosen on held-out subset losses where the affinity
        has enough of them (fitted on one half of the subsets, scored on the other), else by the objective itself, which
        in gain units can be compared across numbers of groups.
    exactly
        Whether exactly ``networks`` groups are wanted.
    penalty
        Price of each group, in units of the objective; decides between numbers of groups.
    diagonal
        Worth of a task alone: ``"zero"`` (right for gains) or ``"keep"`` the matrix's diagonal.
    unknown
        Pairs never seen (NaN): ``"refuse"``, or count them as ``"zero"`` or as the target's ``"row-mean"``.
    tolerance
        Relative gap at which bounding may stop.
    seed
        Of what chance decides in local search.

    Notes
    -----
    All in one and one per task are candidates wherever their number of groups is allowed; elsewhere their values stand
    in ``diagnostics["alternatives"]`` and a note says when one of them is worth more than the result. Above 24 tasks a
    step of the relaxation costs up to ``O(n^3)``, and triangle inequalities tighten it; beyond 1,000 tasks only its
    first bound is computed.

    Examples
    --------
    >>> affinity = Affinity.from_matrix(["a", "b", "c"], [[0.0, 0.2, -0.1], [0.2, 0.0, -0.1], [-0.3, -0.3, 0.0]])
    >>> grouping = AverageDensity(networks=2, exactly=True).group(affinity)
    >>> grouping, round(grouping.objective, 3), grouping.proof
    (Grouping('average-density': {a, b} {c}), 0.2, 'exact')
    """

    name: ClassVar[str] = "average-density"
    citation: ClassVar[str] = _CITATION

    networks: int | None = None
    exactly: bool = False
    penalty: float = 0.0
    diagonal: Diagonal = "zero"
    unknown: Unknown = "refuse"
    tolerance: float = 1.5e-3
    seed: int = 0

    def __post_init__(self) -> None:
        if self.networks is not None:
            checks.at_least("networks", self.networks, 1)
        elif self.exactly:
            raise InputError("`exactly` needs `networks`. Pass how many groups there are to be.")
        checks.at_least("penalty", self.penalty, 0)
        checks.within("tolerance", self.tolerance, 0, 1)
        self._options()

    def group(self, affinity: Affinity) -> Grouping:
        """Return the best grouping found, with what is proven about it.

        Raises
        ------
        InputError
            When the matrix has unknown or infinite entries, or there are fewer tasks than ``networks``.
        """
        matrix = self._options().symmetric(affinity)
        count, note = self._count(affinity)
        solver = DensitySolver(matrix, count, tolerance=self.tolerance, seed=self.seed)
        return _grouping(affinity, solver.solve(), solver.alternatives(), note)

    def _options(self) -> MatrixOptions:
        return MatrixOptions(self.diagonal, self.unknown)

    def _count(self, affinity: Affinity) -> tuple[GroupCount, str]:
        """Return the numbers of groups to allow, and how that was decided."""
        tasks = len(affinity.tasks)
        most = tasks if self.networks is None else self.networks
        refuse_more_groups_than_tasks(most, tasks)
        if self.exactly:
            return GroupCount(most, penalty=self.penalty), "number of groups: given"
        held_out = HeldOut.of(affinity, self.seed)
        if held_out is None:
            return GroupCount(most, exact=False, penalty=self.penalty), "number of groups: by the objective"
        chosen = held_out.choose(GroupCount(most, exact=False, penalty=self.penalty))
        edge = ", the most that `networks` allows: more may be better" if chosen == most < tasks else ""
        return GroupCount(chosen, penalty=self.penalty), f"number of groups: by held-out subset losses{edge}"


def _grouping(affinity: Affinity, solution: Solution, alternatives: dict[str, float], note: str) -> Grouping:
    better = [name for name, value in alternatives.items() if value > solution.value + 1e-9 * max(1.0, abs(value))]
    notes = (note, *(f"{name} is worth more under the same objective" for name in better))
    return partition(
        affinity,
        solution.labels,
        objective=solution.value,
        bound=solution.bound,
        proof=solution.proof,
        method=AverageDensity.name,
        status=solution.status,
        notes=notes,
        citation=_CITATION,
        diagnostics={"alternatives": alternatives},
    )
