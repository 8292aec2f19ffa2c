"""Matrices are cleaned with a reason for everything refused."""

from __future__ import annotations

import numpy as np
import pytest

from cotrain.affinity.affinity import Affinity
from cotrain.errors import InputError
from cotrain.grouping.matrices import Diagonal, MatrixOptions, Unknown

NAN, INF = float("nan"), float("inf")


def test_rows_come_in_alphabetical_order_and_symmetric() -> None:
    affinity = Affinity.from_matrix(["b", "a"], [[5.0, 1.0], [3.0, 7.0]])
    assert MatrixOptions().directed(affinity).tolist() == [[0.0, 3.0], [1.0, 0.0]]
    assert MatrixOptions("keep").symmetric(affinity).tolist() == [[7.0, 2.0], [2.0, 5.0]]
    assert affinity.matrix[0, 0] == 5.0


@pytest.mark.parametrize(
    ("unknown", "filled"),
    [("zero", [[0, 0, 4], [1, 0, 3], [0, 0, 0]]), ("row-mean", [[0, 4, 4], [1, 0, 3], [0, 0, 0]])],
)
def test_unknown_pairs_are_filled_only_when_told(unknown: Unknown, filled: list[list[float]]) -> None:
    affinity = Affinity.from_matrix("abc", [[NAN, NAN, 4.0], [1.0, 0.0, 3.0], [NAN, NAN, 0.0]])
    assert MatrixOptions(unknown=unknown).directed(affinity).tolist() == filled


@pytest.mark.parametrize(
    ("matrix", "diagonal", "message"),
    [
        ([[0.0, NAN], [1.0, 0.0]], "zero", r"must know every pair\. Unknown: \(a, b\)\. Estimate from more subsets"),
        ([[NAN, 1.0], [1.0, 0.0]], "keep", r"Unknown: \(a, a\)"),
        ([[0.0, INF], [1.0, 0.0]], "zero", r"must be finite\. Found infinity for \(a, b\)"),
    ],
)
def test_unknown_and_infinite_entries_are_refused_by_name(
    matrix: list[list[float]], diagonal: Diagonal, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        MatrixOptions(diagonal).symmetric(Affinity.from_matrix("ab", matrix))


def test_no_tasks_are_refused() -> None:
    with pytest.raises(InputError, match="at least one task"):
        MatrixOptions().symmetric(Affinity.from_matrix([], np.zeros((0, 0))))
