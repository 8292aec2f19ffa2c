"""Intervals against what was measured, and what an estimate cost beside measuring."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.affinity.surrogates.planted import by_size, design, table

from cotrain.affinity import Affinity
from cotrain.affinity.design import truth_design
from cotrain.affinity.subset_losses import SubsetLosses
from cotrain.affinity.surrogates import GainProcess
from cotrain.cost import Cost
from cotrain.evaluation.coverage import interval_coverage
from cotrain.evaluation.measured import measure_subsets
from cotrain.evaluation.scores import evaluate
from cotrain.evaluation.truth import read_truth_cost
from cotrain.problem.demo import digits
from cotrain.training.trainer import Trainer


def with_error(losses: SubsetLosses, error: float) -> SubsetLosses:
    return replace(losses, standard_error=np.where(losses.mask, error, np.nan))


@pytest.mark.parametrize(("error", "expected"), [(0.0, 0.0), (1.0, 1.0)])
def test_wide_intervals_hold_everything_and_points_nothing(error: float, expected: float) -> None:
    rng = np.random.default_rng(0)
    mask = design(5, larger=10)
    truth = with_error(table(mask, rng.normal(scale=0.1, size=mask.shape), noise=0.1), 0.0)
    wrong = Affinity.from_matrix(truth.tasks, rng.normal(size=(5, 5)) / 10, standard_error=np.full((5, 5), error))
    assert interval_coverage(wrong, truth) == expected


def test_normal_errors_are_covered_nineteen_times_in_twenty() -> None:
    rng = np.random.default_rng(0)
    mask = truth_design([f"t{number:02d}" for number in range(8)])
    exact = with_error(table(mask, np.zeros(mask.shape)), 0.0)
    noisy = np.where(mask.sum(axis=1, keepdims=True) > 1, exact.loss + 0.05 * rng.normal(size=mask.shape), exact.loss)
    errors = np.where(mask & (mask.sum(axis=1, keepdims=True) > 1), 0.05, np.where(mask, 0.0, np.nan))
    truth = replace(exact, loss=noisy, standard_error=errors)
    certain = Affinity.from_matrix(truth.tasks, np.zeros((8, 8)), standard_error=np.zeros((8, 8)))
    assert interval_coverage(certain, truth) == pytest.approx(0.95, abs=0.02)


def test_estimates_without_errors_have_no_coverage() -> None:
    mask = design(5, larger=5)
    truth = with_error(table(mask, by_size(mask, 0.1)), 0.01)
    assert np.isnan(interval_coverage(Affinity.from_matrix(truth.tasks, np.zeros((5, 5))), truth))
    score = Affinity.from_matrix(truth.tasks, np.zeros((5, 5)), standard_error=np.ones((5, 5)), unit="cosine")
    assert np.isnan(interval_coverage(score, truth))


def test_scores_tell_coverage_and_cost() -> None:
    mask = design(6, larger=20)
    truth = with_error(table(mask, by_size(mask, 0.2), noise=0.01), 0.01)
    model = GainProcess.fit(truth)
    affinity = replace(Affinity.from_matrix(truth.tasks, np.zeros((6, 6))), model=model, cost=Cost(flops=5.0))
    scores = evaluate(affinity, truth, truth_cost=Cost(flops=100.0))
    assert scores.cost_share == 0.05
    assert scores.coverage > 0.9
    assert scores.to_dict()["coverage"] == scores.coverage
    assert evaluate(affinity, truth).to_dict()["cost_share"] is None


def test_truth_of_our_own_knows_its_cost(tmp_path: Path) -> None:
    problem = digits().with_tasks(["even", "prime"])
    measured = measure_subsets(Trainer(problem), np.eye(2, dtype=bool), seeds=[0])
    measured.save(tmp_path / "truth.npz")
    assert read_truth_cost(tmp_path / "truth.npz") == measured.cost
    measured.losses().save(tmp_path / "table.npz")
    measured.losses().save(tmp_path / "table.csv")
    assert read_truth_cost(tmp_path / "table.npz") is None
    assert read_truth_cost(tmp_path / "table.csv") is None
