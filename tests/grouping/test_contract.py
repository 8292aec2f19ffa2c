"""What every grouper promises, run over all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.grouping.partitions import Matrix, given, planted, task_like

from cotrain.affinity.affinity import Affinity
from cotrain.errors import InputError
from cotrain.grouping.grouping import Grouping
from cotrain.grouping.registry import GROUPERS

METHODS = tuple(GROUPERS)
LOOKS_AT_VALUES = tuple(name for name in METHODS if name != "random")
FILLS_UNKNOWN = tuple(name for name in LOOKS_AT_VALUES if name != "network-selection")
AT_MOST = ("average-density", "network-selection", "overlapping-density", "spectral-co-clustering", "semisoft")
"""``networks`` is an upper limit for these."""


def grouped(method: str, affinity: Affinity, networks: int | None = 3, **options: Any) -> Grouping:
    return GROUPERS[method](networks=networks, **options).group(affinity)


def _global_state() -> NDArray[np.uint32]:
    state: Any = np.random.get_state(legacy=False)  # noqa: NPY002  (that nobody touches it is the point)
    return np.array(state["state"]["key"])


def same(one: Grouping, other: Grouping) -> bool:
    return (one.groups, dict(one.serving)) == (other.groups, dict(other.serving))


@pytest.mark.parametrize("networks", [1, 2, 3, None])
@pytest.mark.parametrize("method", METHODS)
def test_every_task_is_served_once_by_a_group_that_holds_it(method: str, networks: int | None) -> None:
    affinity = given(task_like(9, 3, seed=0))
    grouping = grouped(method, affinity, networks)
    assert grouping.tasks == affinity.tasks
    assert tuple(grouping.serving) == affinity.tasks or set(grouping.serving) == set(affinity.tasks)
    assert all(task in grouping.groups[position] for task, position in grouping.serving.items())
    assert set(grouping.serving.values()) == set(range(len(grouping.groups)))
    assert len(set(grouping.groups)) == len(grouping.groups)
    assert all(group == tuple(sorted(group)) for group in grouping.groups)
    if networks is not None:
        assert len(grouping.groups) <= networks
        assert method in AT_MOST or len(grouping.groups) == networks


@pytest.mark.parametrize("method", METHODS)
def test_permuting_the_tasks_permutes_the_result(method: str) -> None:
    affinity = given(task_like(8, 3, seed=1))
    shuffled = affinity.with_tasks([affinity.tasks[place] for place in np.random.default_rng(0).permutation(8)])
    for networks in (3, None):
        assert same(grouped(method, affinity, networks), grouped(method, shuffled, networks))


@pytest.mark.parametrize("method", METHODS)
def test_ties_do_not_depend_on_the_order_of_tasks(method: str) -> None:
    affinity = given(np.ones((6, 6)) - np.eye(6))
    assert same(grouped(method, affinity, 2), grouped(method, affinity.with_tasks(affinity.tasks[::-1]), 2))


@pytest.mark.parametrize("method", METHODS)
def test_same_input_same_result_and_input_untouched(method: str) -> None:
    affinity = given(task_like(8, 3, seed=2))
    before = affinity.matrix.copy()
    state = _global_state()
    assert grouped(method, affinity) == grouped(method, affinity)
    assert np.array_equal(affinity.matrix, before)
    assert np.array_equal(_global_state(), state)


@pytest.mark.parametrize("method", METHODS)
def test_result_says_where_it_comes_from(method: str) -> None:
    grouping = grouped(method, given(task_like(6, 2, seed=3)))
    assert grouping.method == method
    assert grouping.proof in ("exact", "certified", "heuristic")
    assert grouping.bound >= grouping.objective or np.isnan(grouping.objective)


@pytest.mark.parametrize("method", METHODS)
def test_one_task(method: str) -> None:
    for networks in (1, None):
        assert grouped(method, given(np.zeros((1, 1))), networks).groups == (("t000",),)


@pytest.mark.parametrize("value", [0.5, -0.5])
@pytest.mark.parametrize("method", METHODS)
def test_two_tasks(method: str, value: float) -> None:
    affinity = given(np.array([[0.0, value], [value, 0.0]]))
    for networks in (1, 2, None):
        assert set(grouped(method, affinity, networks).serving) == {"t000", "t001"}


@pytest.mark.parametrize("method", LOOKS_AT_VALUES)
def test_duplicates_of_a_task_stay_together(method: str) -> None:
    matrix = np.kron(np.array([[1.0, -0.5], [-0.5, 1.0]]), np.ones((3, 3)))
    grouping = grouped(method, given(matrix), 2)
    assert {grouping.group_of(task) for task in ("t000", "t001", "t002")} == {("t000", "t001", "t002")}


@pytest.mark.parametrize("method", [name for name in LOOKS_AT_VALUES if name != "overlapping-density"])
def test_clear_groups_are_found(method: str) -> None:
    matrix, truth = planted(9, 3, 0.05, seed=0)
    grouping = grouped(method, given(matrix), 3)
    for one in range(9):
        for other in range(9):
            together = grouping.serving[f"t{one:03d}"] == grouping.serving[f"t{other:03d}"]
            assert together == (truth[one] == truth[other])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "matrix",
    [np.zeros((6, 6)), np.full((6, 6), 0.4), -np.abs(task_like(6, 2, 0)), 1e-9 * task_like(6, 2, 0)],
    ids=["zero", "constant", "all-negative", "tiny"],
)
def test_degenerate_matrices_are_grouped(method: str, matrix: Matrix) -> None:
    for networks in (2, None):
        assert len(grouped(method, given(matrix), networks).serving) == 6


@pytest.mark.parametrize("method", LOOKS_AT_VALUES)
def test_unknown_and_infinite_entries_are_refused(method: str) -> None:
    for value in (np.nan, np.inf):
        matrix = task_like(5, 2, seed=4)
        matrix[1, 2] = value
        with pytest.raises(InputError, match="t001"):
            grouped(method, given(matrix))


@pytest.mark.parametrize("method", LOOKS_AT_VALUES)
def test_a_task_seen_with_no_other_is_named_or_filled_in(method: str) -> None:
    matrix = task_like(6, 2, seed=4)
    matrix[1] = np.nan
    with pytest.raises(InputError, match="t001"):
        grouped(method, given(matrix))
    if method in FILLS_UNKNOWN:
        assert len(grouped(method, given(matrix), unknown="row-mean").serving) == 6


@pytest.mark.parametrize("method", [name for name in FILLS_UNKNOWN if name != "spectral-co-clustering"])
def test_methods_that_see_sums_of_both_directions_do_not_tell_them_apart(method: str) -> None:
    matrix = np.random.default_rng(5).normal(size=(7, 7))
    assert same(grouped(method, given(matrix)), grouped(method, given(matrix.T)))


@pytest.mark.parametrize("unknown", ["zero", "row-mean"])
@pytest.mark.parametrize("method", FILLS_UNKNOWN)
def test_unknown_entries_are_filled_when_asked(method: str, unknown: str) -> None:
    matrix = task_like(6, 2, seed=4)
    matrix[1, 2] = np.nan
    assert len(grouped(method, given(matrix), unknown=unknown).serving) == 6


@pytest.mark.parametrize("method", METHODS)
def test_bad_numbers_of_networks_are_refused(method: str) -> None:
    with pytest.raises(InputError, match=r"`networks` must be at least 1\. Found 0"):
        GROUPERS[method](networks=0)
    if method != "network-selection":
        with pytest.raises(InputError, match=r"`networks` must be at most the number of tasks, 3\. Found 4"):
            grouped(method, given(np.zeros((3, 3))), 4)


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("average-density", {"penalty": -1.0}, "`penalty`"),
        ("average-density", {"exactly": True}, "`exactly`"),
        ("average-density", {"diagonal": "one"}, "`diagonal`"),
        ("average-density", {"tolerance": 2.0}, "`tolerance`"),
        ("spectral", {"unknown": "guess"}, "`unknown`"),
        ("spectral", {"max_networks": 0}, "`max_networks`"),
        ("spectral-co-clustering", {"unknown": "guess"}, "`unknown`"),
        ("affinity-propagation", {"damping": 0.1}, "`damping`"),
        ("hierarchical", {"linkage": "ward"}, "`linkage`"),
        ("mixture", {"embedding": "umap"}, "`embedding`"),
        ("semisoft", {"pure_share": 0.0}, "`pure_share`"),
        ("semisoft", {"least_membership": 0.0}, "`least_membership`"),
        ("random", {"sizes": (0, 2)}, "`sizes`"),
        ("random", {"sizes": (1, 2), "networks": 2}, "`sizes`"),
    ],
)
def test_bad_parameters_are_refused_by_name(method: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        GROUPERS[method](**options)


@pytest.mark.parametrize("method", METHODS)
def test_groupers_are_small_comparable_values(method: str) -> None:
    assert GROUPERS[method](networks=2) == GROUPERS[method](networks=2)
    assert GROUPERS[method](networks=2) != GROUPERS[method](networks=3)
    with pytest.raises(AttributeError):
        GROUPERS[method]().networks = 3  # type: ignore[attr-defined]  # the protocol does not list parameters


def test_round_trip_of_every_result(tmp_path: Any) -> None:
    for method in METHODS:
        grouping = grouped(method, given(task_like(6, 2, seed=5)), 2)
        grouping.save(tmp_path / f"{method}.json")
        assert same(Grouping.load(tmp_path / f"{method}.json"), grouping)
