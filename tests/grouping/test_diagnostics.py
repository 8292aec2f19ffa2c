"""Diagnostics agree with moving tasks by hand and name the pairs that decide."""

from __future__ import annotations

import numpy as np
import pytest
from tests.grouping.partitions import given, symmetric, task_like

from cotrain.affinity.affinity import Affinity
from cotrain.errors import InputError
from cotrain.grouping.average_density import AverageDensity
from cotrain.grouping.density.objective import density
from cotrain.grouping.diagnostics import diagnose
from cotrain.grouping.grouping import Grouping

UNDECIDED = "the estimate cannot tell them apart."


def test_margin_is_what_the_best_single_move_loses() -> None:
    matrix = task_like(7, 3, seed=0)
    grouping = AverageDensity(networks=3, exactly=True).group(given(matrix))
    labels = np.array([grouping.serving[task] for task in grouping.tasks])
    value = density(symmetric(matrix), labels)
    diagnosis = diagnose(grouping, given(matrix))
    for place, task in enumerate(grouping.tasks):
        values = []
        for group in range(4):
            moved = labels.copy()
            moved[place] = group
            alone = (labels == labels[place]).sum() == 1
            if group != labels[place] and not (alone and group == 3):
                values.append(density(symmetric(matrix), moved))
        assert diagnosis[task].margin == pytest.approx(value - max(values))


def test_standard_error_and_deciding_pair_of_two_tasks() -> None:
    affinity = Affinity.from_matrix("ab", [[0.0, 0.4], [0.2, 0.0]], standard_error=[[0.0, 0.4], [0.1, 0.0]])
    place = diagnose(Grouping.from_groups(["ab"]), affinity)["a"]
    assert (place.group, place.alternative) == (("a", "b"), ("a",))
    assert place.received == pytest.approx(0.4)
    assert place.margin == pytest.approx(0.3)
    assert place.standard_error == pytest.approx(np.hypot(0.4, 0.1) / 2)
    assert [(pair.target, pair.source) for pair in place.deciding] == [("a", "b")]
    assert place.deciding[0].share == pytest.approx(1.96 * 0.2 / 0.3, rel=1e-3)


def test_helpers_are_judged_by_what_a_task_receives() -> None:
    matrix = [[0.0, 0.4, 0.1], [0.0, 0.0, 0.0], [0.5, 0.0, 0.0]]
    grouping = Grouping(tuple("abc"), (("a", "b"), ("a", "c")), {"a": 0, "b": 0, "c": 1})
    place = diagnose(grouping, Affinity.from_matrix("abc", matrix))["a"]
    assert place.alternative == ("a", "c")
    assert place.margin == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("error", "ending"),
    [
        (0.001, " (+- 0.001 at 95 %): the difference is beyond the error bars."),
        (0.4, f" (+- 0.554 at 95 %): {UNDECIDED} The error bar of a <- b alone could flip it, and 1 more."),
        (np.nan, "; the affinity has no error bars."),
    ],
)
def test_explanations(error: float, ending: str) -> None:
    affinity = Affinity.from_matrix("ab", [[0.0, 0.4], [0.2, 0.0]], standard_error=np.full((2, 2), error))
    diagnosis = diagnose(Grouping.from_groups(["ab"]), affinity)
    beginning = "a trains with b and receives 0.400 on average. Next best is {a}, worse by 0.300"
    assert diagnosis.explain("a") == beginning + ending
    assert diagnosis.uncertain() == (("a", "b") if error == 0.4 else ())
    assert diagnosis.to_frame()["alternative"].tolist() == ["a", "b"]


def test_one_task_has_no_other_place() -> None:
    diagnosis = diagnose(Grouping.from_groups(["a"]), Affinity.from_matrix("a", [[0.0]]))
    assert diagnosis.explain("a") == "a trains alone. There is no other place for it."


def test_unknown_tasks_are_refused() -> None:
    affinity = Affinity.from_matrix("ab", np.zeros((2, 2)))
    with pytest.raises(InputError, match=r"must hold the tasks of `grouping`\. Missing: c"):
        diagnose(Grouping.from_groups(["abc"]), affinity)
    with pytest.raises(InputError, match="`task` must be one of 'a', 'b'"):
        diagnose(Grouping.from_groups(["ab"]), affinity).explain("z")
