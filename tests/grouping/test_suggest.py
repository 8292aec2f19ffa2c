"""Helpers for one task."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.affinity.surrogates.planted import additive, design, table

import cotrain
from cotrain.affinity import Affinity
from cotrain.affinity.surrogates import RidgeSurrogate
from cotrain.errors import InputError


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_by_a_matrix_the_best_partner_comes_first_and_means_follow(seed: int) -> None:
    matrix = np.random.default_rng(seed).normal(size=(5, 5))
    found = cotrain.suggest(Affinity.from_matrix("abcde", matrix), "a")
    order = sorted(range(1, 5), key=lambda source: -matrix[0, source])
    assert found["helper"].tolist() == ["abcde"[source] for source in order]
    np.testing.assert_allclose(found["gain"], np.cumsum(matrix[0, order]) / np.arange(1, 5))
    np.testing.assert_allclose(found["alone"], matrix[0, order])


def test_by_a_model_helpers_are_ranked_by_what_they_add() -> None:
    weights = np.zeros((5, 5))
    weights[0] = [0.0, 0.05, 0.2, -0.1, 0.1]
    mask = design(5, larger=40)
    losses = table(mask, -np.log(1.0 - additive(mask, weights)))
    affinity = replace(Affinity.from_matrix(losses.tasks, np.zeros((5, 5))), model=RidgeSurrogate.fit(losses))
    found = cotrain.suggest(affinity, "t00", most=3)
    assert found["helper"].tolist() == ["t02", "t04", "t01"]
    assert found["gain"].is_monotonic_increasing
    assert cotrain.suggest(affinity, "t00", among=["t03"])["helper"].tolist() == ["t03"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "z"}, "`target`"),
        ({"target": "a", "most": 0}, "`most`"),
        ({"target": "a", "among": ["q"]}, "`among`"),
    ],
)
def test_unknown_names_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        cotrain.suggest(Affinity.from_matrix("abc", np.zeros((3, 3))), **options)  # type: ignore[arg-type]
