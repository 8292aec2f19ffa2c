"""Groupings made by hand: what they say, and what they refuse."""

from __future__ import annotations

import pytest

from cotrain.errors import InputError
from cotrain.grouping.grouping import Grouping


def test_the_first_group_that_holds_a_task_serves_it() -> None:
    grouping = Grouping.from_groups([["b", "a"], ["c", "a"]])
    assert grouping.tasks == ("a", "b", "c")
    assert [grouping.group_of(task) for task in grouping.tasks] == [("a", "b"), ("a", "b"), ("a", "c")]


@pytest.mark.parametrize(
    ("groups", "serving", "message"),
    [
        ((("a",), (), ("b",), ()), {"a": 0, "b": 2}, r"`groups`.*\[1, 3\]"),
        ((("a",), ("b", "x")), {"a": 0, "b": 1}, r"`groups`.*\['x'\]"),
        ((("a",), ("b",)), {"a": 1, "b": 1}, r"`serving`.*'a'.*1"),
        ((("a",), ("b",)), {"a": 0, "b": 2}, r"`serving`.*'b'.*2"),
    ],
)
def test_what_no_network_could_be_trained_for_is_refused(
    groups: tuple[tuple[str, ...], ...], serving: dict[str, int], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        Grouping(("a", "b"), groups, serving)
