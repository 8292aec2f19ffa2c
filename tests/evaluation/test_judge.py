"""The judge: who is trained, what is paired, what is read when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pytest
import torch

from cotrain.cost import Cost
from cotrain.evaluation.judge import judge
from cotrain.grouping.grouping import Grouping
from cotrain.models.mlp import SharedMLP
from cotrain.problem.options import NetworkOptions, TrainingOptions
from cotrain.problem.problem import SPLITS, Problem, Split
from cotrain.problem.rows import Rows
from cotrain.problem.task import Subset, Task
from cotrain.training.evaluation import Evaluation
from cotrain.training.fit import Fit
from cotrain.training.trainer import Trainer

NAMES = ("a", "b", "c", "d")


def make_problem(names: Sequence[str] = NAMES) -> Problem:
    rng = torch.Generator().manual_seed(0)
    inputs = torch.randn(80, 3, generator=rng)
    targets = inputs @ torch.randn(3, len(names), generator=rng)
    rows = dict.fromkeys(SPLITS, Rows(inputs, targets))
    tasks = tuple(Task(name, "regression") for name in names)
    options = TrainingOptions(epochs=2, batch_size=40)
    return Problem(tasks, rows, lambda members: SharedMLP(3, members, NetworkOptions(hidden=(4,))), options)


class Scripted(Trainer):
    """Trains nothing: the loss of a task is its place in the alphabet times the size of its group, plus the seed."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.trained: Counter[tuple[Subset, int]] = Counter()
        self.read: list[Split] = []

    def fit_many(self, jobs: Iterable[tuple[Subset, int]]) -> Iterator[Fit]:
        for subset, seed in jobs:
            self.trained[subset, seed] += 1
            nothing = np.zeros(len(subset))
            yield Fit(subset, seed, torch.nn.Identity(), nothing, nothing, 1, converged=True, cost=Cost(10.0, 1.0, 1))

    def evaluate(self, fit: Fit, split: Split) -> Evaluation:
        self.read.append(split)
        loss = np.array([(1 + NAMES.index(name)) * len(fit.subset) + fit.seed for name in fit.subset], dtype=float)
        return Evaluation(fit.subset, loss, -loss)


def test_losses_come_from_the_serving_group_and_its_seed() -> None:
    chosen = Grouping(NAMES, (("a", "b", "c"), ("c", "d")), {"d": 1, "a": 0, "b": 0, "c": 1})
    judged = judge(Scripted(make_problem()), chosen, seeds=[0, 10], random_draws=3)
    verdict = judged.verdict
    assert verdict.tasks == ("d", "a", "b", "c")
    np.testing.assert_array_equal(verdict.arms["chosen"].test_loss, [[8, 3, 6, 6], [18, 13, 16, 16]])
    np.testing.assert_array_equal(verdict.arms["all-in-one"].test_loss, [[16, 4, 8, 12], [26, 14, 18, 22]])
    np.testing.assert_array_equal(verdict.arms["one-per-task"].test_loss, [[4, 1, 2, 3], [14, 11, 12, 13]])
    assert [[fit.subset for fit in fits] for fits in judged.fits.values()] == [list(chosen.groups)] * 2
    assert list(judged.fits) == [0, 10]


def test_shared_subsets_are_trained_once_and_only_test_rows_are_read() -> None:
    trainer = Scripted(make_problem())
    judge(trainer, Grouping.from_groups(["ab", "c", "d"]), seeds=[0, 1], random_draws=5)
    assert set(trainer.trained.values()) == {1}
    assert set(trainer.read) == {"test"}


def test_an_arm_costs_what_its_own_networks_cost() -> None:
    judged = judge(Scripted(make_problem()), Grouping.from_groups(["ab", "cd"]), seeds=[0, 1, 2], random_draws=4)
    flops = {name: arm.cost.flops for name, arm in judged.verdict.arms.items()}
    assert flops == {"chosen": 20, "all-in-one": 10, "one-per-task": 40, "random": 20}
    assert judged.verdict.arms["chosen"].cost.trainings == 2


@pytest.mark.parametrize("groups", [["abcd"], ["a", "b", "c", "d"]])
def test_trivial_groupings_equal_their_own_baseline(groups: list[str]) -> None:
    trainer = Scripted(make_problem())
    verdict = judge(trainer, Grouping.from_groups(groups), seeds=[0, 1], random_draws=10).verdict
    baseline = verdict.arms["all-in-one" if len(groups) == 1 else "one-per-task"]
    np.testing.assert_array_equal(verdict.arms["chosen"].test_loss, baseline.test_loss)
    np.testing.assert_array_equal(verdict.arms["random"].test_loss, baseline.test_loss)
    assert verdict.advice != "group so"


def test_with_real_networks_the_same_seed_gives_the_same_verdict() -> None:
    chosen = Grouping.from_groups(["ab", "cd"])
    first, second = (judge(Trainer(make_problem()), chosen, seeds=[0, 1], random_draws=2).verdict for _ in range(2))
    for name, arm in first.arms.items():
        np.testing.assert_array_equal(arm.test_loss, second.arms[name].test_loss)
    assert first.sentence == second.sentence


def test_permuting_the_tasks_changes_nothing_but_the_order() -> None:
    chosen = Grouping.from_groups(["ab", "cd"])
    plain = judge(Trainer(make_problem()), chosen, seeds=[0], random_draws=2).verdict
    permuted = judge(
        Trainer(make_problem().with_tasks(["c", "a", "d", "b"])), chosen, seeds=[0], random_draws=2
    ).verdict
    for name, arm in plain.arms.items():
        np.testing.assert_array_equal(arm.test_loss, permuted.arms[name].test_loss)
