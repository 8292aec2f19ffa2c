"""Trains a grouping beside its alternatives and judges all of them on test data, over paired seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np

from cotrain.cost import Cost
from cotrain.evaluation.advice import advise, compare
from cotrain.evaluation.alternatives import all_in_one, one_per_task, random_like
from cotrain.evaluation.verdict import Arm, ArmName, Verdict
from cotrain.grouping.grouping import Grouping
from cotrain.problem.task import Subset
from cotrain.training.evaluation import Evaluation
from cotrain.training.fit import Fit
from cotrain.training.trainer import Trainer


@dataclass(frozen=True, eq=False)
class Judged:
    """A verdict, the chosen grouping's networks (seed -> one fit per group) and what all arms cost together."""

    verdict: Verdict
    fits: Mapping[int, tuple[Fit, ...]]
    cost: Cost


class _Score(NamedTuple):
    """What is kept of every fit once it has been judged; networks stay only where they are to be deployed."""

    test: Evaluation
    cost: Cost


Job: TypeAlias = tuple[Subset, int]


def judge(trainer: Trainer, grouping: Grouping, *, seeds: Sequence[int], random_draws: int = 10) -> Judged:
    """Train the grouping, all-in-one, one-per-task and random groupings like it; judge them on test rows.

    Every arm is trained with every seed; a subset that several arms share is trained once. Test rows are read here and
    nowhere else.

    Parameters
    ----------
    trainer
        Trains and recalls networks.
    grouping
        The chosen groups.
    seeds
        Paired over arms: with one seed, networks of all arms start from the same weights.
    random_draws
        Random groupings, each trained with every seed.
    """
    served = tuple(grouping.serving)
    groupings: dict[ArmName, tuple[Grouping, ...]] = {
        "chosen": (grouping,),
        "all-in-one": (all_in_one(served),),
        "one-per-task": (one_per_task(served),),
        "random": random_like(grouping, draws=random_draws),
    }
    subsets = dict.fromkeys(group for arm in groupings.values() for one in arm for group in one.groups)
    scores: dict[Job, _Score] = {}
    networks: dict[Job, Fit] = {}
    for fit in trainer.fit_many([(subset, seed) for subset in subsets for seed in seeds]):
        scores[fit.subset, fit.seed] = _Score(trainer.evaluate(fit, "test"), fit.cost)
        if fit.subset in grouping.groups:
            networks[fit.subset, fit.seed] = fit
    arms = {name: _arm(name, arm, seeds, served, scores) for name, arm in groupings.items()}
    comparisons = compare(arms)
    advice, sentence = advise(comparisons, len(grouping.groups))
    metrics = tuple(task.metric for name in served for task in trainer.problem.tasks if task.name == name)
    fits = {seed: tuple(networks[group, seed] for group in grouping.groups) for seed in seeds}
    cost = sum((score.cost for score in scores.values()), Cost())
    return Judged(Verdict(served, metrics, arms, comparisons, advice, sentence), fits, cost)


def _arm(
    name: ArmName,
    groupings: tuple[Grouping, ...],
    seeds: Sequence[int],
    served: tuple[str, ...],
    scores: Mapping[Job, _Score],
) -> Arm:
    shape = (len(groupings), len(seeds), len(served))
    loss, metric, cost = np.zeros(shape), np.zeros(shape), Cost()
    for draw, grouping in enumerate(groupings):
        for row, seed in enumerate(seeds):
            for column, task in enumerate(served):
                group = grouping.group_of(task)
                test = scores[group, seed].test
                loss[draw, row, column] = test.loss[group.index(task)]
                metric[draw, row, column] = test.metric[group.index(task)]
            cost = sum((scores[group, seed].cost for group in grouping.groups), cost)
    runs = len(groupings) * len(seeds)
    one = Cost(cost.flops / runs, cost.seconds / runs, len(groupings[0].groups))
    return Arm(name, len(groupings[0].groups), loss.mean(axis=0), metric.mean(axis=0), one)
