"""Regrouping when tasks arrive or leave."""

from __future__ import annotations

import numpy as np
import pytest

from cotrain.affinity.affinity import Affinity
from cotrain.errors import InputError
from cotrain.grouping.grouping import Grouping
from cotrain.grouping.incremental import regroup
from cotrain.grouping.network_selection import NetworkSelection

NAMES = [f"task{position:02d}" for position in range(40)]


def random_affinity(seed: int, tasks: int) -> Affinity:
    return Affinity.from_matrix(NAMES[:tasks], np.random.default_rng(seed).normal(size=(tasks, tasks)))


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("retrain", [1, 2])
def test_a_newcomer_is_served_within_the_trainings_allowed(seed: int, retrain: int) -> None:
    affinity = random_affinity(seed, 8)
    selection = NetworkSelection(networks=3)
    current = selection.group(affinity.with_tasks(NAMES[:7]))
    found = regroup(selection, current, affinity, retrain=retrain)
    assert len(found.retrained) <= retrain
    assert set(found.grouping.serving) == set(affinity.tasks)
    assert NAMES[7] in found.moved
    assert set(found.kept) | set(found.retrained) == set(found.grouping.groups)
    assert found.objective_lost >= -1e-9
    assert found.trainings_saved == len(found.from_scratch.groups) - len(found.retrained)


@pytest.mark.parametrize("seed", range(10))
def test_without_a_limit_or_a_charge_it_is_the_best_from_scratch(seed: int) -> None:
    affinity = random_affinity(seed, 7)
    current = Grouping.from_groups([NAMES[:3], NAMES[3:6]])
    found = regroup(NetworkSelection(networks=3), current, affinity)
    assert found.objective_lost == pytest.approx(0, abs=1e-9)


def test_more_trainings_never_hurt() -> None:
    affinity = random_affinity(0, 9)
    selection = NetworkSelection(networks=4)
    current = selection.group(affinity.with_tasks(NAMES[:8]))
    lost = [regroup(selection, current, affinity, retrain=count).objective_lost for count in (1, 2, 3, 4)]
    assert lost == sorted(lost, reverse=True)
    assert lost[-1] == pytest.approx(0, abs=1e-9)


def test_a_leaving_task_needs_no_training() -> None:
    affinity = random_affinity(1, 8)
    selection = NetworkSelection(networks=3)
    current = selection.group(affinity)
    found = regroup(selection, current, affinity.with_tasks(NAMES[1:8]), retrain=0)
    assert found.retrained == ()
    assert all(NAMES[0] not in group for group in found.grouping.groups)
    assert "0 to train" in repr(found)


def test_a_switching_cost_keeps_the_networks_in_use() -> None:
    affinity = random_affinity(2, 6)
    current = Grouping.from_groups([NAMES[:3], NAMES[3:6]])
    found = regroup(NetworkSelection(networks=2, switching_cost=100.0, current=current), current, affinity)
    assert set(found.kept) == set(current.groups)
    assert found.moved == ()


def test_many_tasks() -> None:
    affinity = random_affinity(3, 30)
    selection = NetworkSelection(networks=4, steps=20, restarts=2)
    current = Grouping.from_groups([NAMES[:10], NAMES[10:20], NAMES[20:29]])
    found = regroup(selection, current, affinity, retrain=1)
    assert len(found.retrained) == 1
    assert NAMES[29] in found.retrained[0]


def test_a_newcomer_needs_a_training() -> None:
    with pytest.raises(InputError, match=r"`retrain` must be at least 1 to serve the new tasks \['task03'\]"):
        regroup(NetworkSelection(), Grouping.from_groups([NAMES[:3]]), random_affinity(0, 4), retrain=0)
