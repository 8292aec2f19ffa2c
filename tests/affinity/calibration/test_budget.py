"""How patiently and how much is measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.affinity.families import QUICK, member, problem_of

from cotrain.affinity import Calibrated, MeasuredPairs
from cotrain.affinity.calibration.budget import affordable_trainings, enough_patience
from cotrain.affinity.calibration.measuring import Measurements
from cotrain.affinity.design import singles_and_all
from cotrain.problem.options import TrainingOptions
from cotrain.problem.problem import Problem
from cotrain.training.trainer import Trainer

PATIENT = TrainingOptions(patience=20)
FAMILIES = [member(f"{family}{number}", family) for family in (0, 1) for number in range(5)]


def _stopped(curve: NDArray[np.float64], patience: int) -> float:
    """Return the loss that a training keeps, by the words of the definition."""
    best = 0
    for epoch, loss in enumerate(curve):
        if loss < curve[best]:
            best = epoch
        if epoch - best >= patience:
            break
    return float(curve[best])


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 15), st.floats(0.0, 1.0))
def test_nearly_all_trainings_would_have_kept_about_the_same(seed: int, count: int, noise: float) -> None:
    rng = np.random.default_rng(seed)
    curves = [np.exp(-np.arange(40) / 8) + 0.2 + noise * rng.random(40) for _ in range(count)]
    patience = enough_patience(curves, PATIENT)
    assert 2 <= patience <= PATIENT.patience
    if patience < PATIENT.patience:
        for waited in (patience - 1, patience):
            same = [_stopped(curve, waited) <= 1.005 * curve.min() for curve in curves]
            assert np.mean(same) >= 0.9
    if patience > 2:
        same = [_stopped(curve, patience - 2) <= 1.005 * curve.min() for curve in curves]
        assert np.mean(same) < 0.9
    assert patience == enough_patience(curves[::-1], PATIENT)


def test_patience_that_is_more_than_waiting_stays() -> None:
    falling = [np.linspace(2.0, 1.0, 30)]
    assert enough_patience(falling, PATIENT) == 2
    assert enough_patience(falling, replace(PATIENT, schedule="plateau")) == 20
    assert enough_patience(falling, replace(PATIENT, patience=1)) == 1


@pytest.fixture(scope="module")
def problem() -> Problem:
    return problem_of(FAMILIES, training=replace(QUICK, epochs=40, patience=10))


@pytest.mark.parametrize("own_rows", [False, True])
def test_it_costs_under_a_tenth_of_all_pairs_with_eight_seeds(own_rows: bool) -> None:
    problem = problem_of(FAMILIES, own_rows=own_rows, rows=240, training=replace(QUICK, epochs=40, patience=10))
    pairs = MeasuredPairs(seeds=1).estimate(problem, Trainer(problem)).cost.flops
    spent = Calibrated().estimate(problem, Trainer(problem)).cost.flops
    assert 0.04 * 8 * pairs < spent < 0.1 * 8 * pairs


def test_short_patience_buys_more_trainings(problem: Problem) -> None:
    measured = Measurements(Trainer(problem), problem.names)
    measured.train(singles_and_all(10), np.zeros(11, dtype=np.int64))
    hasty, patient = (affordable_trainings(problem, measured, patience, rounds=1) for patience in (2, 10))
    assert 10 + 10 - 11 <= patient < hasty <= 10 * 10 - 11
    assert affordable_trainings(problem, measured, 2, rounds=2) == pytest.approx(hasty / 2, abs=1)


def test_later_rounds_spend_what_is_left(problem: Problem) -> None:
    measured = Measurements(Trainer(problem), problem.names)
    measured.train(singles_and_all(10), np.zeros(11, dtype=np.int64))
    cheap, dear = ([*measured.flops, *[factor * measured.flops[0]] * 3] for factor in (0.1, 1.0))
    measured.flops = cheap
    many = affordable_trainings(problem, measured, 2, rounds=1)
    measured.flops = dear
    assert affordable_trainings(problem, measured, 2, rounds=1) < many
