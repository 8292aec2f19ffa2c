"""Thousands of tasks are grouped, or refused with the limit, the reason and what to use instead."""

from __future__ import annotations

import numpy as np
import pytest
from tests.grouping.partitions import given, planted

from cotrain.errors import InputError
from cotrain.grouping import affinity_propagation, overlapping_density
from cotrain.grouping.density import solver
from cotrain.grouping.registry import GROUPERS


def test_two_thousand_tasks_are_split_along_their_groups() -> None:
    matrix, truth = planted(2000, 5, 0.5, seed=0)
    grouping = GROUPERS["spectral"](networks=5).group(given(matrix))
    found = np.array([grouping.serving[task] for task in grouping.tasks])
    assert len({(one, other) for one, other in zip(found.tolist(), truth.tolist(), strict=True)}) == 5


def test_network_selection_refuses_too_many_tasks() -> None:
    with pytest.raises(InputError, match=r"at most 1000 tasks for network selection.* Found 1001\. Use 'average-dens"):
        GROUPERS["network-selection"](networks=3).group(given(np.zeros((1001, 1001))))


def test_affinity_propagation_seeks_a_number_of_groups_among_few_tasks_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(affinity_propagation, "_SOUGHT_UP_TO", 11)
    affinity = given(planted(12, 3, 0.05, seed=0)[0])
    with pytest.raises(
        InputError, match=r"at most 11 tasks for affinity propagation with `networks`.* Found 12\. Leave"
    ):
        GROUPERS["affinity-propagation"](networks=3).group(affinity)
    assert len(GROUPERS["affinity-propagation"]().group(affinity).groups) == 3


def test_overlapping_groups_are_limited_by_their_number_and_the_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlapping_density, "_MOST_CELLS", 3 * 30**2)
    affinity = given(planted(30, 4, 0.05, seed=0)[0])
    with pytest.raises(InputError, match=r"`networks` must be at most 3 for 30 tasks.* Found 4, .* 'average-density'"):
        GROUPERS["overlapping-density"]().group(affinity)
    assert len(GROUPERS["overlapping-density"](networks=3).group(affinity).groups) <= 3


def test_the_relaxation_is_left_out_of_many_tasks_and_the_status_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solver, "_RELAXATION_UP_TO", 29)
    grouping = GROUPERS["average-density"](networks=3).group(given(planted(30, 3, 0.3, seed=0)[0]))
    assert grouping.status == "local search with the eigenvalue bound"
    assert grouping.proof == "certified"
    assert grouping.objective <= grouping.bound < float("inf")
