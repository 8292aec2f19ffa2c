"""Random groupings keep everything but the names."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from cotrain.evaluation.alternatives import all_in_one, one_per_task, random_like
from cotrain.grouping.grouping import Grouping


def _shape(grouping: Grouping) -> tuple[list[int], Counter[int]]:
    return [len(group) for group in grouping.groups], Counter(grouping.serving.values())


@settings(max_examples=50, deadline=None)
@given(labels=st.lists(st.integers(0, 3), min_size=1, max_size=9), seed=st.integers(0, 99))
def test_sizes_and_service_stay(labels: list[int], seed: int) -> None:
    groups = [[f"t{i}" for i, label in enumerate(labels) if label == value] for value in sorted(set(labels))]
    chosen = Grouping.from_groups(groups)
    for draw in random_like(chosen, draws=3, seed=seed):
        assert _shape(draw) == _shape(chosen)
        assert set(draw.serving) == set(chosen.serving)


def test_overlap_and_helpers_stay() -> None:
    chosen = Grouping(("a", "b", "c", "h"), (("a", "b", "h"), ("b", "c")), {"a": 0, "b": 0, "c": 1})
    draw = random_like(chosen, draws=1, seed=3)[0]
    assert [len(group) for group in draw.groups] == [3, 2]
    assert "h" in draw.groups[0]
    assert len(set(draw.groups[0]) & set(draw.groups[1])) == 1


def test_draws_differ_and_trivial_groupings_draw_once() -> None:
    chosen = Grouping.from_groups(["abcd", "efgh", "ijkl"])
    draws = random_like(chosen, draws=10)
    assert len({draw.groups for draw in draws}) > 5
    assert random_like(chosen, draws=10) == draws
    assert len(random_like(all_in_one("abc"), draws=10)) == 1
    assert len(random_like(one_per_task("abc"), draws=10)) == 1
