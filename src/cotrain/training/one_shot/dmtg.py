"""DMTG: groups found in one training, by relaxed choices between branches that harden as it goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from torch import nn

from cotrain import checks
from cotrain.cost import Cost
from cotrain.errors import InputError
from cotrain.problem.task import Subset
from cotrain.training.fit import Fit
from cotrain.training.one_shot.assignment import likeliest
from cotrain.training.one_shot.routed import Routed
from cotrain.training.one_shot.search import Search, SearchOptions
from cotrain.training.run import Run
from cotrain.training.serving import Service
from cotrain.training.subset_data import SubsetData, trainable
from cotrain.training.trainer import Trainer
from cotrain.training.untrained import untrained

CITATION = """@inproceedings{gao2024dmtg,
  title = {{DMTG}: One-Shot Differentiable Multi-Task Grouping},
  author = {Gao, Yuan and Jiang, Shuguo and Li, Moran and Yu, Jin-Gang and Xia, Gui-Song},
  booktitle = {ICML}, year = {2024}}"""


@dataclass(frozen=True, eq=False)
class OneShot:
    """Groups and their networks, from one training.

    Parameters
    ----------
    groups
        One per branch that is left, in the order of their first tasks.
    probabilities
        ``(tasks, branches)``: what was believed when the search ended; tasks in the order of ``fit.subset``.
    fit
        The finished training; its network is a :class:`~cotrain.training.one_shot.routed.Routed`. Its cost is all of
        it, the search included.
    service
        The groups' networks, ready to predict.
    """

    groups: tuple[Subset, ...]
    probabilities: NDArray[np.float64]
    fit: Fit
    service: Service


@dataclass(frozen=True)
class DifferentiableGrouping:
    r"""Finds groups while training: K branches, each a network for all tasks, compete for the tasks.

    While searching, task i's loss is :math:`\sum_k G_{ik} \ell_i(\text{branch } k)` with ``G`` a sample per batch of
    the relaxed categorical distribution that ``logits`` and a falling temperature give. Branches learn from training
    rows, logits from validation rows. A task that is sure of its branch is fixed there, and branches that no task can
    still choose are dropped, so that the cost falls as the search goes on. Then the groups train on as they are, until
    early stopping. As published, apart from: separate rows and rate for the logits, falling temperature, pruning on
    the way, branches that start differently, no branch left empty.

    Parameters
    ----------
    networks
        Branches, and groups at most.
    search
        How the search goes.
    least_tasks
        In every group, as long as there are tasks enough.
    start
        Groups that the search starts from, such as those of an estimated affinity; none by default.

    References
    ----------
    Gao et al. (ICML 2024), arXiv 2407.05082.

    Examples
    --------
    >>> from cotrain.problem.demo import digits
    >>> trainer = Trainer(digits().with_tasks(["even", "prime", "loop"]))
    >>> method = DifferentiableGrouping(networks=2, search=SearchOptions(epochs=2, warmup=1))
    >>> found = method.fit(trainer, ("even", "prime", "loop"))
    >>> sorted(name for group in found.groups for name in group)
    ['even', 'loop', 'prime']
    """

    networks: int
    search: SearchOptions = field(default_factory=SearchOptions)
    least_tasks: int = 1
    start: tuple[Subset, ...] = ()

    def __post_init__(self) -> None:
        checks.at_least("networks", self.networks, 1)
        checks.at_least("least_tasks", self.least_tasks, 0)
        checks.within("start", len(self.start), 0, self.networks)

    def fit(self, trainer: Trainer, subset: Sequence[str] | None = None, *, seed: int = 0) -> OneShot:
        """Search, then train the groups that were found.

        Parameters
        ----------
        trainer
            Its problem, options and device are used; in its folder, both stages are kept and resumed.
        subset
            All tasks of the problem by default.
        seed
            Same seed, same result.

        Raises
        ------
        InputError
            When tasks cannot be trained.
        DivergedError
            When a loss is not finite.
        """
        problem = trainer.problem
        chosen = trainable(problem, problem.names if subset is None else subset)
        search = self.find(trainer, chosen, seed=seed)
        found = search.probabilities()
        route = dict(zip(chosen, likeliest(np.log(found), self.least_tasks).tolist(), strict=True))
        tasks, job = problem.tasks_of(chosen), (chosen, seed)
        routed = Routed(tasks, list(search.branches), route)
        rest = trainer.finish(job, routed, lambda: Run.of(job, routed, problem.training), method=repr(self))
        cost = rest.cost + Cost(search.flops, search.seconds)
        fit = replace(rest, cost=cost, steps=rest.steps + search.steps)
        service = Service([tasks] * len(routed.networks), list(routed.networks), routed.route)
        return OneShot(_groups(routed.route), found, fit, service)

    def find(self, trainer: Trainer, chosen: Subset, *, seed: int = 0) -> Search:
        """Search among the tasks of a subset that can be trained, and no more."""
        problem = trainer.problem
        unknown = sorted({name for group in self.start for name in group} - {*chosen})
        if unknown:
            raise InputError(f"`start` must hold tasks that are trained. Found {', '.join(unknown)}.")
        seeds = [_seed(seed, number) for number in range(self.networks)]
        branches = nn.ModuleList(untrained(problem, (chosen, own), trainer.device) for own in seeds)
        data = SubsetData.of(problem, chosen, trainer.device)
        search = Search(branches, data, problem.training, self.search, seed)
        search.start_from(self.start)
        trainer.complete(search, (chosen, seed), branches, method=f"search of {self!r}")
        return search


def _seed(seed: int, branch: int) -> int:
    """Return the seed of a branch's weights; that of the first is the training's own."""
    return seed if branch == 0 else seed + 1_000_003 * branch


def _groups(route: dict[str, int]) -> tuple[Subset, ...]:
    numbers = dict.fromkeys(route.values())
    return tuple(tuple(sorted(name for name, own in route.items() if own == number)) for number in numbers)
