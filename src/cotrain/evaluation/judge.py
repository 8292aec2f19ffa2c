"""Trains a grouping beside its alternatives and judges all of them on test data, over paired seeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True, eq=False)
class _Trained:
    """What is kept of a fit once it has been judged: figures, and the network only where it is to be deployed."""

    test: Evaluation
    cost: Cost
    fit: Fit | None


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
    trained = _train(trainer, subsets, seeds, keep=set(grouping.groups))
    arms = {name: _arm(name, arm, seeds, served, trained) for name, arm in groupings.items()}
    comparisons = compare(arms)
    advice, sentence = advise(comparisons, len(grouping.groups))
    metrics = tuple(task.metric for name in served for task in trainer.problem.tasks if task.name == name)
    fits = {seed: tuple(_kept(trained[group, seed]) for group in grouping.groups) for seed in seeds}
    cost = sum((one.cost for one in trained.values()), Cost())
    return Judged(Verdict(served, metrics, arms, comparisons, advice, sentence), fits, cost)


def _train(
    trainer: Trainer, subsets: Iterable[Subset], seeds: Sequence[int], keep: set[Subset]
) -> dict[tuple[Subset, int], _Trained]:
    jobs = [(subset, seed) for subset in subsets for seed in seeds]
    trained = {}
    for fit in trainer.fit_many(jobs):
        test = trainer.evaluate(fit, "test")
        trained[fit.subset, fit.seed] = _Trained(test, fit.cost, fit if fit.subset in keep else None)
    return trained


def _arm(
    name: ArmName,
    groupings: tuple[Grouping, ...],
    seeds: Sequence[int],
    served: tuple[str, ...],
    trained: Mapping[tuple[Subset, int], _Trained],
) -> Arm:
    loss, metric = (
        np.zeros((len(groupings), len(seeds), len(served))),
        np.zeros((len(groupings), len(seeds), len(served))),
    )
    cost = Cost()
    for draw, grouping in enumerate(groupings):
        for row, seed in enumerate(seeds):
            for column, task in enumerate(served):
                group = grouping.group_of(task)
                test = trained[group, seed].test
                loss[draw, row, column] = test.loss[group.index(task)]
                metric[draw, row, column] = test.metric[group.index(task)]
            cost = sum((trained[group, seed].cost for group in grouping.groups), cost)
    runs = len(groupings) * len(seeds)
    one = Cost(cost.flops / runs, cost.seconds / runs, round(cost.trainings / runs))
    return Arm(name, len(groupings[0].groups), loss.mean(axis=0), metric.mean(axis=0), one)


def _kept(trained: _Trained) -> Fit:
    if trained.fit is None:
        raise KeyError("the network of a chosen group was not kept")
    return trained.fit
