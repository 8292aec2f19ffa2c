"""What theory says must and must not matter to network selection, special cases, and bad input."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cotrain.affinity.affinity import Affinity
from cotrain.affinity.subset_losses import SubsetLosses
from cotrain.errors import InputError
from cotrain.grouping.network_selection import NetworkSelection
from cotrain.grouping.selection.budget import CostBudget
from cotrain.grouping.selection.candidate_networks import CandidateNetworks
from cotrain.grouping.selection.constraints import Constraints

Matrix = NDArray[np.float64]


def random_affinity(random: np.random.Generator, tasks: int) -> Affinity:
    return Affinity.from_matrix("gbfaced"[:tasks], random.normal(size=(tasks, tasks)))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), tasks=st.integers(2, 7))
def test_permuting_the_tasks_permutes_the_result(seed: int, tasks: int) -> None:
    random = np.random.default_rng(seed)
    affinity = random_affinity(random, tasks)
    permuted = affinity.with_tasks(random.permutation(affinity.tasks).tolist())
    selection = NetworkSelection(networks=min(tasks, 3))
    one, other = selection.group(affinity), selection.group(permuted)
    assert one.groups == other.groups
    assert dict(one.serving) == dict(other.serving)
    assert one.tasks == affinity.tasks
    assert other.tasks == permuted.tasks


def test_permuting_many_tasks_permutes_the_result() -> None:
    matrix = np.random.default_rng(0).normal(size=(30, 30))
    affinity = Affinity.from_matrix([f"{position:02d}" for position in range(30)], matrix)
    selection = NetworkSelection(networks=4, restarts=2, steps=20)
    one, other = (selection.group(affinity.with_tasks(names)) for names in (affinity.tasks, affinity.tasks[::-1]))
    assert one.groups == other.groups
    assert one.objective == other.objective


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), alone=st.sampled_from(["forbidden", "diagonal"]))
def test_a_constant_added_to_a_row_changes_nothing_but_the_objective(seed: int, alone: Any) -> None:
    random = np.random.default_rng(seed)
    affinity, shift = random_affinity(random, 6), random.normal(size=6)
    shifted = Affinity.from_matrix(affinity.tasks, affinity.matrix + shift[:, None])
    selection = NetworkSelection(networks=2, alone=alone)
    one, other = selection.group(affinity), selection.group(shifted)
    assert one.groups == other.groups
    assert other.objective == pytest.approx(one.objective + shift.mean())


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_z_scores_ignore_the_scale_and_shift_of_every_row(seed: int) -> None:
    random = np.random.default_rng(seed)
    affinity = random_affinity(random, 6)
    other = random.uniform(0.1, 10, size=(6, 1)) * affinity.matrix + random.normal(size=(6, 1))
    selection = NetworkSelection(networks=2, alone="diagonal", normalisation="zscore")
    assert selection.group(affinity).groups == selection.group(Affinity.from_matrix(affinity.tasks, other)).groups


def test_duplicate_tasks_are_worth_the_same() -> None:
    """Two copies of a task, which give and take alike, can always be served equally well."""
    random = np.random.default_rng(0)
    index = [0, 1, 2, 3, 4, 4]
    base = random.normal(size=(5, 5))
    base[4, 4] = base[4, :4].max() + 1
    twin = Affinity.from_matrix("abcdef", base[np.ix_(index, index)])
    found = NetworkSelection(networks=3).group(twin)
    assert found.group_of("e") == found.group_of("f")


@pytest.mark.parametrize("matrix", [np.ones((5, 5)), -np.ones((5, 5)), np.zeros((5, 5))])
def test_constant_matrices(matrix: Matrix) -> None:
    found = NetworkSelection(networks=5).group(Affinity.from_matrix("abcde", matrix))
    assert found.objective == max(matrix[0, 1], 0)
    assert set(found.serving) == set("abcde")


@pytest.mark.parametrize("alone", ["auto", "forbidden", 1.0])
def test_one_task(alone: Any) -> None:
    found = NetworkSelection(alone=alone).group(Affinity.from_matrix(["only"], [[0.0]], unit="cosine"))
    assert found.groups == (("only",),)


@pytest.mark.parametrize("tasks", [9, 13, 18, 30])
def test_everyone_together_and_everyone_alone_are_candidates(tasks: int) -> None:
    names = [f"{position:02d}" for position in range(tasks)]
    helpful, harmful = np.ones((tasks, tasks)), -np.ones((tasks, tasks))
    selection = NetworkSelection(networks=tasks, minimum_gain=1e-3)
    assert selection.group(Affinity.from_matrix(names, helpful)).groups == (tuple(names),)
    assert NetworkSelection(networks=tasks).group(Affinity.from_matrix(names, harmful)).groups == tuple(
        (name,) for name in names
    )


@pytest.mark.parametrize("seed", range(5))
def test_subset_losses_by_milp_equal_the_enumerator(seed: int) -> None:
    random = np.random.default_rng(seed)
    groups = [group for size in (1, 2, 3, 5) for group in combinations("abcde", size)]
    losses = SubsetLosses.from_dict({group: {task: random.uniform(0.5, 1.5) for task in group} for group in groups})
    affinity = replace(Affinity.from_matrix("abcde", np.zeros((5, 5))), subset_losses=losses)
    found = NetworkSelection(networks=3, source="subset losses", measure="loss").group(affinity)
    table = np.where(losses.mask, losses.loss, np.inf)
    best = min(table[list(chosen)].min(axis=0).sum() for chosen in combinations(range(len(table)), 3))
    assert -found.objective * 5 == pytest.approx(best)
    half = replace(CandidateNetworks.from_subset_losses(losses, measure="loss"), cost=losses.sizes.astype(np.float64))
    cheap = NetworkSelection(cost_budget=CostBudget(6.0)).choose(half)
    options = [chosen for count in (1, 2, 3, 4, 5) for chosen in combinations(range(len(table)), count)]
    best = min(
        table[list(chosen)].min(axis=0).sum() for chosen in options if losses.sizes[list(chosen)].sum() <= 6
    )  # fmt: skip
    assert -cheap.objective * 5 == pytest.approx(best)


def test_thirteen_tasks_from_subset_losses_are_proven_optimal() -> None:
    random = np.random.default_rng(0)
    names = "abcdefghijklm"
    groups = [
        tuple(name for name, inside in zip(names, row, strict=True) if inside) for row in random.random((300, 13)) < 0.3
    ]
    groups += [(name,) for name in names] + [tuple(names)]
    losses = SubsetLosses.from_dict(
        {group: {task: random.uniform(0.5, 1.5) for task in group} for group in groups if group}
    )
    found = NetworkSelection(networks=4).choose(CandidateNetworks.from_subset_losses(losses))
    assert found.proof == "exact"
    assert found.bound == pytest.approx(found.objective)


def test_measured_losses_count_before_estimated_ones_and_repeats_are_averaged() -> None:
    measured = SubsetLosses.from_dict({("a",): {"a": 0.5}, ("b",): {"b": 0.5}, ("a", "b"): {"a": 0.4, "b": 0.4}})
    estimated = SubsetLosses.from_dict({("a", "b"): {"a": 9.0, "b": 9.0}}, source="estimated")
    again = SubsetLosses.from_dict({("a", "b"): {"a": 0.2, "b": 0.4}})
    candidates = CandidateNetworks.from_subset_losses(measured + estimated + again, measure="loss")
    assert len(candidates) == 3
    np.testing.assert_allclose(candidates.scores[2], [-0.3, -0.4])


AFFINITY = Affinity.from_matrix("abc", [[0, 1, 2], [3, 0, 4], [5, 6, 0]])
GAPS = Affinity.from_matrix("abc", [[0, np.nan, 2], [3, 0, 4], [5, 6, 0]])
BAD: dict[str, tuple[dict[str, Any], Affinity, str]] = {
    "no network": ({"networks": 0}, AFFINITY, "`networks` must be at least 1"),
    "too many networks": ({"networks": 4}, AFFINITY, r"`networks` must be at most the number of tasks \(3\). Found 4"),
    "gaps": ({"networks": 2}, GAPS, "`affinity` must hold finite affinities for all pairs. Found gaps in rows 'a'"),
    "no errors": ({"confidence": 0.9}, AFFINITY, "standard errors"),
    "confidence": ({"confidence": 1.5}, AFFINITY, "`confidence` must lie between"),
    "normalisation": ({"normalisation": "zcore"}, AFFINITY, "Did you mean 'zscore'"),
    "source": ({"source": "matrix"}, AFFINITY, "`source` must be one of"),
    "no losses": ({"source": "subset losses"}, AFFINITY, "needs an affinity that carries them"),
    "alone": ({"alone": "never"}, AFFINITY, "`alone` must be one of"),
    "unknown task": ({"constraints": Constraints(must_link=[("a", "x")])}, AFFINITY, "names the unknown task"),
    "contradiction": (
        {"constraints": Constraints(must_link=[("a", "b")], cannot_link=[("a", "b")])}, AFFINITY, "must not split",
    ),
    "no room": ({"constraints": Constraints(1, must_link=[("a", "b")])}, AFFINITY, "must leave room"),
    "parted in one": ({"networks": 1, "constraints": Constraints(cannot_link=["ab"])}, AFFINITY, "leave no grouping"),
    "too cheap": ({"cost_budget": CostBudget(0.5)}, AFFINITY, "No network within the constraints"),
    "negative cost": ({"cost_budget": CostBudget(1.0, lambda _: -1.0)}, AFFINITY, "`cost` must be at least 0"),
    "switching from nothing": ({"switching_cost": 1.0}, AFFINITY, "`current` must be given"),
    "negative gain": ({"minimum_gain": -1.0}, AFFINITY, "`minimum_gain` must be at least 0"),
}  # fmt: skip


@pytest.mark.parametrize(("options", "affinity", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_refused_with_the_reason(options: dict[str, Any], affinity: Affinity, message: str) -> None:
    with pytest.raises(InputError, match=message):
        NetworkSelection(**options).group(affinity)


def test_all_contradictions_are_told_at_once() -> None:
    rules = Constraints(1, must_link=[("a", "b")], cannot_link=[("a", "b")])
    with pytest.raises(InputError, match="2 problems"):
        NetworkSelection(constraints=rules).group(AFFINITY)
