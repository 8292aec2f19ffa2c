"""Network selection: which networks to train when each task is served by the best network that holds it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np

from cotrain import checks
from cotrain.affinity.affinity import Affinity
from cotrain.errors import InputError
from cotrain.grouping.grouping import Grouping, Proof
from cotrain.grouping.matrices import refuse_more_tasks
from cotrain.grouping.selection.budget import CostBudget
from cotrain.grouping.selection.candidate_networks import MEASURES, CandidateNetworks, Measure
from cotrain.grouping.selection.constraints import Constraints
from cotrain.grouping.selection.group_scores import NORMALISATIONS, Alone, Normalisation, group_scores
from cotrain.grouping.selection.networks import Bools, Selection
from cotrain.grouping.selection.solver import Effort, choose_among, choose_groups
from cotrain.grouping.selection.terms import Terms

Source: TypeAlias = Literal["auto", "affinity", "subset losses"]
SOURCES: tuple[Source, ...] = ("auto", "affinity", "subset losses")

_MOST_TASKS = 1000


@dataclass(frozen=True)
class NetworkSelection:
    r"""Choose networks under a budget so that every task's best network serves it as well as possible.

    .. math:: \max_{G_1, \dots, G_b} \frac1n \sum_i \max_{g: i \in G_g} s_i(G_g),
        \qquad s_i(G) = \frac{1}{|G| - 1} \sum_{j \in G, j \ne i} A_{ij}

    Groups may overlap: a network may hold helper tasks that another one serves. All tasks in one network and, where
    the budget allows, every task alone are always among the candidates.

    Parameters
    ----------
    networks
        Most networks; ``None`` sets no limit.
    cost_budget
        Largest total cost of the networks, such as parameters or FLOPs.
    constraints
        Group size, linked tasks, required helpers.
    source
        ``"affinity"`` scores any group by the formula above; ``"subset losses"`` chooses among the subsets whose
        losses the affinity carries. ``"auto"``: the losses where they come from a model of all subsets' gains, which
        knows more than a matrix can say.
    measure
        For subset losses: ``"gain"`` or ``"loss"``.
    alone
        Score of a task that trains alone: a number, ``"diagonal"``, ``"forbidden"``, or ``"auto"`` (0 in gain units,
        otherwise forbidden, as in the TAG paper).
    normalisation
        Of each row of the affinity: ``"none"``, ``"scale"``, ``"zscore"``. Comparing tasks needs one scale.
    confidence
        Maximise lower bounds at this level instead of estimates; errors are taken as fully dependent, which is
        the careful side. Needs standard errors.
    minimum_gain
        What every network beyond the first must add to the objective to be worth having.
    current
        Networks that exist already.
    switching_cost
        Taken off the objective for every chosen network that does not exist in ``current``.
    new_networks
        Most networks that do not exist in ``current``.
    gap
        Relative gap at which bounding stops where optimality is out of reach (beyond 24 tasks).
    steps
        Most steps of the search for a bound beyond 24 tasks; 0 looks for no bound and is fastest.
    restarts
        Local searches from different starts, where these give the grouping.
    time_limit
        Seconds for each integer program; when it strikes, the grouping found so far comes with its proven bound.
    seed
        Of the local searches.

    Notes
    -----
    Tasks are solved in the order of their names, so that permuting them permutes the result. Adding a constant to a
    row changes nothing as long as the score alone moves with it (or is forbidden). Proven optimal up to 24 tasks;
    beyond, the bound comes from semidefinite relaxations of the groups of every size (up to 150 tasks) and, where these
    leave more than the gap, from column generation with branch-and-bound pricing (up to 60 tasks). Above 1,000 tasks,
    only subsets whose losses are known are selected among.

    References
    ----------
    Fifty et al., Efficiently Identifying Task Groupings for Multi-Task Learning, NeurIPS 2021; Standley et al., Which
    Tasks Should Be Learned Together in Multi-task Learning?, ICML 2020.

    Examples
    --------
    >>> affinity = Affinity.from_matrix("abc", [[0, 0.2, -0.1], [0.1, 0, -0.1], [0.3, -0.2, 0]])
    >>> NetworkSelection(networks=2).group(affinity)
    Grouping('network-selection': {a, b} {a, c})
    """

    name: ClassVar[str] = "network-selection"
    citation: ClassVar[str] = (
        "@inproceedings{fifty2021tag, title={Efficiently Identifying Task Groupings for Multi-Task Learning}, "
        "author={Fifty, Christopher and Amid, Ehsan and Zhao, Zhe and Yu, Tianhe and Anil, Rohan and Finn, Chelsea}, "
        "booktitle={Advances in Neural Information Processing Systems}, year={2021}}"
    )

    networks: int | None = None
    cost_budget: CostBudget | None = None
    constraints: Constraints = field(default_factory=Constraints)
    source: Source = "auto"
    measure: Measure = "gain"
    alone: Alone = "auto"
    normalisation: Normalisation = "none"
    confidence: float | None = None
    minimum_gain: float = 0.0
    current: Grouping | None = None
    switching_cost: float = 0.0
    new_networks: int | None = None
    gap: float = 0.01
    steps: int = 600
    restarts: int = 40
    time_limit: float = float("inf")
    seed: int = 0

    def __post_init__(self) -> None:
        if self.networks is not None:
            checks.at_least("networks", self.networks, 1)
        if self.confidence is not None:
            checks.within("confidence", self.confidence, 0.5, 0.9999)
        if self.new_networks is not None:
            checks.at_least("new_networks", self.new_networks, 0)
        for parameter in ("minimum_gain", "switching_cost"):
            checks.at_least(parameter, getattr(self, parameter), 0)
        checks.one_of("source", self.source, SOURCES)
        checks.one_of("measure", self.measure, MEASURES)
        checks.one_of("normalisation", self.normalisation, NORMALISATIONS)
        if isinstance(self.alone, str):
            checks.one_of("alone", self.alone, ("auto", "diagonal", "forbidden"))
        if self.current is None and (self.switching_cost > 0 or self.new_networks is not None):
            raise InputError(
                "`current` must be given with `switching_cost` or `new_networks`. Pass the grouping in use."
            )

    def group(self, affinity: Affinity) -> Grouping:
        """Return the best networks under the affinity.

        Raises
        ------
        InputError
            When the affinity has gaps, or budget and constraints leave no grouping.
        SolverError
            When the solver stops without an answer.
        """
        if self.source == "subset losses" or (self.source == "auto" and affinity.model is not None):
            return self.choose(self._candidates(affinity))
        refuse_more_tasks(
            len(affinity.tasks),
            _MOST_TASKS,
            "network selection, whose local search tries every task in every network with the best helpers",
            "Use 'average-density', or select among subsets whose losses are known.",
        )
        ordered = affinity.with_tasks(sorted(affinity.tasks))
        scores = group_scores(
            ordered, alone=self.alone, normalisation=self.normalisation, confidence=self.confidence
        )  # fmt: skip
        terms = self._terms(ordered.tasks)
        return self._grouping(choose_groups(scores, terms, self._effort, seed=self.seed), terms, affinity.tasks)

    def choose(self, candidates: CandidateNetworks) -> Grouping:
        """Return the best networks among candidates, such as measured subsets and half-size networks."""
        ordered = candidates.with_tasks(sorted(candidates.tasks))
        terms = self._terms(ordered.tasks)
        networks = terms.evaluate(ordered.members, ordered.scores, ordered.cost)
        return self._grouping(choose_among(networks, terms, self._effort), terms, candidates.tasks)

    def _candidates(self, affinity: Affinity) -> CandidateNetworks:
        if affinity.subset_losses is None:
            raise InputError("`source` 'subset losses' needs an affinity that carries them. Use source='affinity'.")
        return CandidateNetworks.from_subset_losses(
            affinity.subset_losses, measure=self.measure, confidence=self.confidence
        )  # fmt: skip

    def _terms(self, tasks: tuple[str, ...]) -> Terms:
        if not tasks:
            raise InputError("`affinity` must hold at least one task. Found none.")
        if self.networks is not None and self.networks > len(tasks):
            raise InputError(f"`networks` must be at most the number of tasks ({len(tasks)}). Found {self.networks}.")
        return Terms(
            tasks, self.constraints.resolve(tasks), self.networks or len(tasks), self.cost_budget,
            self.minimum_gain * len(tasks), _members(self.current, tasks), self.switching_cost * len(tasks),
            self.new_networks,
        )  # fmt: skip

    @property
    def _effort(self) -> Effort:
        return Effort(self.time_limit, self.gap, self.steps, self.restarts)

    def _grouping(self, found: Selection | None, terms: Terms, tasks: tuple[str, ...]) -> Grouping:
        if found is None:
            raise InputError("`networks` and the other limits leave no grouping that serves every task. Raise a limit.")
        names = np.array(terms.tasks)
        groups = tuple(tuple(names[row].tolist()) for row in found.networks.members)
        unit_of = terms.rules.units.argmax(axis=0)
        serving = dict(zip(terms.tasks, found.serving[unit_of].tolist(), strict=True))
        objective, bound = (total / len(tasks) + self.minimum_gain for total in (found.value, found.bound))
        return Grouping(
            tasks, groups, {task: serving[task] for task in tasks}, objective, bound, _proof(objective, bound),
            self.name, found.status, citation=self.citation, diagnostics=self._diagnostics(found),
        )  # fmt: skip

    def _diagnostics(self, found: Selection) -> dict[str, Any]:
        costs = [] if self.cost_budget is None else found.networks.usage[:, 1].tolist()
        return {"costs": costs, "total_cost": sum(costs)} if costs else {}


def _proof(objective: float, bound: float) -> Proof:
    if bound <= objective + 1e-9 * max(1.0, abs(objective)):
        return "exact"
    return "certified" if bound < float("inf") else "heuristic"


def _members(grouping: Grouping | None, tasks: tuple[str, ...]) -> Bools:
    groups = () if grouping is None else grouping.groups
    known = [group for group in groups if set(group) <= set(tasks)]
    return np.array([[task in group for task in tasks] for group in known], dtype=bool).reshape(-1, len(tasks))
