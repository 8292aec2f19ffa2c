"""Short trainings continued by those that went on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotrain.affinity.calibration.learning_curves import extrapolated

NAMES = ("a", "b", "c")
MASK = np.array([[True, False, False], [False, True, False], [False, False, True], *[[True] * 3] * 5])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.2, 1.0))
def test_lines_are_continued_exactly(seed: int, slope: float) -> None:
    rng = np.random.default_rng(seed)
    short = np.where(MASK, rng.uniform(1.0, 2.0, size=MASK.shape), np.nan)
    end = slope * short - rng.uniform(0.0, 0.5, size=3)
    seen = end.copy()
    seen[[4, 6]] = np.nan
    found = extrapolated(NAMES, MASK, np.array([short, seen]))
    np.testing.assert_allclose(found.loss, end, atol=1e-9)
    np.testing.assert_allclose(found.standard_error[[4, 6]], 0.0, atol=1e-7)
    assert found.source.tolist() == ["estimated" if row in {4, 6} else "measured" for row in range(8)]


def test_the_latest_rung_that_a_subset_reached_is_continued() -> None:
    short, middle, end = (np.where(MASK, level, np.nan) for level in (3.0, 2.0, 1.0))
    middle[6], end[6] = 2.5, np.nan
    middle[7], end[7] = np.nan, np.nan
    found = extrapolated(NAMES, MASK, np.array([short, middle, end]))
    np.testing.assert_allclose(found.loss[6], 1.5)
    np.testing.assert_allclose(found.loss[7], 1.0)


def test_the_error_is_that_of_the_line() -> None:
    rng = np.random.default_rng(0)
    mask = np.concatenate([MASK[:3], np.ones((400, 3), dtype=bool)])
    short = np.where(mask, rng.normal(2.0, 0.2, size=mask.shape), np.nan)
    end = 0.5 * short + rng.normal(scale=0.1, size=mask.shape)
    seen = np.where(np.arange(len(mask))[:, None] < 200, end, np.nan)
    found = extrapolated(NAMES, mask, np.array([short, seen]))
    assert found.standard_error[300, 0] == pytest.approx(0.1, rel=0.1)
    assert np.std(found.loss[200:] - end[200:]) == pytest.approx(0.1, rel=0.1)


def test_a_task_that_no_rung_measured_stays_unknown() -> None:
    short = np.where(MASK, 1.0, np.nan)
    short[:, 2] = np.nan
    found = extrapolated(NAMES, MASK, np.array([short, short]))
    assert np.isnan(found.loss[:, 2]).all()
    assert np.isfinite(found.loss[3:, :2]).all()
