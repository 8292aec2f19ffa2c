"""Measured search believes only what it has trained, and counts its trainings."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
from tests.grouping.partitions import Matrix, given, task_like

from cotrain.affinity.affinity import Affinity
from cotrain.errors import InputError
from cotrain.grouping.average_density import AverageDensity
from cotrain.grouping.grouping import Grouping
from cotrain.grouping.measured_search import MeasuredSearch
from cotrain.problem.task import Subset


class Trainer:
    """Stands in for training: a task's loss falls with its mean gain in the group; remembers what it trained."""

    def __init__(self, gains: Matrix) -> None:
        self.gains = gains
        self.trained: list[Subset] = []

    def __call__(self, subset: Subset) -> dict[str, float]:
        self.trained.append(subset)
        places = [int(task[1:]) for task in subset]
        return {task: 1.0 - float(self.gains[place, places].mean()) for task, place in zip(subset, places, strict=True)}


class Overlapping:
    """A grouper whose groups share a task."""

    name: ClassVar[str] = "overlapping"
    citation: ClassVar[str] = ""

    def group(self, affinity: Affinity) -> Grouping:
        return Grouping.from_groups([affinity.tasks[:2], affinity.tasks[1:]])


def test_finds_what_the_estimate_missed() -> None:
    truth = np.kron(np.eye(3), np.ones((3, 3))).astype(np.float64) * 0.3 - 0.1
    np.fill_diagonal(truth, 0.0)
    estimate = truth + 0.5 * np.random.default_rng(0).normal(size=truth.shape)
    start = AverageDensity(networks=3, exactly=True)
    trainer = Trainer(truth)
    found = MeasuredSearch(trainer, start=start, promising=30, trainings=500).group(given(estimate))
    assert start.group(given(estimate)).groups != found.groups
    assert [len(group) for group in found.groups] == [3, 3, 3]
    assert {tuple(int(task[1:]) // 3 for task in group) for group in found.groups} == {(0,) * 3, (1,) * 3, (2,) * 3}
    assert found.objective > 0
    assert found.status == "no promising move helps"


@pytest.mark.parametrize("trainings", [3, 5, 12])
def test_never_trains_more_than_allowed_nor_the_same_subset_twice(trainings: int) -> None:
    trainer = Trainer(task_like(8, 3, seed=0))
    search = MeasuredSearch(trainer, start=AverageDensity(networks=3, exactly=True), trainings=trainings)
    grouping = search.group(given(task_like(8, 3, seed=1)))
    assert len(trainer.trained) == len(set(trainer.trained)) <= trainings
    assert grouping.diagnostics["trainings"] == len(trainer.trained)
    assert grouping.objective >= 0


def test_most_networks_are_kept() -> None:
    search = MeasuredSearch(
        Trainer(np.asarray(np.eye(6) - 1, dtype=np.float64)),
        start=AverageDensity(networks=2, exactly=True),
        promising=50,
        trainings=500,
        max_networks=3,
    )
    grouping = search.group(given(np.zeros((6, 6))))
    assert len(grouping.groups) == 3


def test_a_start_out_of_reach_and_overlap_are_refused() -> None:
    affinity = given(task_like(6, 2, seed=0))
    with pytest.raises(InputError, match=r"`trainings` must allow the groups of the start\. Found 1"):
        MeasuredSearch(Trainer(np.eye(6)), start=AverageDensity(networks=3, exactly=True), trainings=1).group(affinity)
    with pytest.raises(InputError, match="`start` must give groups that do not overlap"):
        MeasuredSearch(Trainer(np.eye(6)), start=Overlapping()).group(affinity)


def test_a_measurement_must_cover_its_tasks() -> None:
    with pytest.raises(InputError, match=r"`measure` must return the loss of every task of .*Missing: t000"):
        MeasuredSearch(lambda _: {}, start=AverageDensity(networks=1, exactly=True)).group(given(np.zeros((1, 1))))


@pytest.mark.parametrize("options", [{"trainings": 0}, {"promising": 0}, {"max_networks": 0}, {"unknown": "guess"}])
def test_bad_parameters_are_refused_by_name(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"`{next(iter(options))}`"):
        MeasuredSearch(Trainer(np.eye(2)), **options)
