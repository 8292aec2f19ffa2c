"""Scores against measured truth: perfect, random and null predictors, and figures known from elsewhere."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotrain.affinity.affinity import Affinity
from cotrain.affinity.aggregation import co_occurrence_mean
from cotrain.affinity.subset_losses import SubsetLosses
from cotrain.errors import InputError
from cotrain.evaluation.scores import Score, Scores, evaluate
from cotrain.evaluation.truth import read_truth


def _additive(tasks: int, seed: int, *, noise: float = 0.0) -> tuple[Affinity, SubsetLosses]:
    """Truth in which a task's gain is the mean of its affinities to its partners, plus noise of a known error."""
    rng = np.random.default_rng(seed)
    names = tuple(f"t{i}" for i in range(tasks))
    matrix = rng.normal(0, 0.1, (tasks, tasks))
    np.fill_diagonal(matrix, 0)
    subsets = [subset for size in range(1, tasks + 1) for subset in combinations(range(tasks), size)]
    mask = np.zeros((len(subsets), tasks), dtype=bool)
    for row, subset in zip(mask, subsets, strict=True):
        row[list(subset)] = True
    gain = mask @ matrix.T / np.maximum(mask.sum(axis=1, keepdims=True) - 1, 1)
    gain = np.where(mask.sum(axis=1, keepdims=True) > 1, gain + noise * rng.standard_normal(gain.shape), 0.0)
    level = rng.uniform(0.5, 2, tasks)
    loss = np.where(mask, (1 - gain) * level, np.nan)
    error = np.where(mask, noise * level, np.nan)
    return Affinity.from_matrix(names, matrix), SubsetLosses(names, mask, loss, error, np.full(len(mask), "measured"))


def _by_name(scores: Scores) -> dict[str, Score]:
    return {score.predictor: score for score in scores.scores}


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1000))
def test_a_perfect_estimate_scores_one_and_regrets_nothing(seed: int) -> None:
    estimate = _by_name(evaluate(*_additive(5, seed)))["estimate"]
    assert estimate.pearson == pytest.approx(1)
    assert estimate.spearman == pytest.approx(1)
    assert estimate.pooled == pytest.approx(1)
    assert estimate.sign == 1
    assert estimate.relative_distance == pytest.approx(0, abs=1e-9)
    assert estimate.regret == pytest.approx(0, abs=1e-9)


def test_no_null_orders_subsets_of_one_size() -> None:
    scores = _by_name(evaluate(*_additive(5, 0)))
    for name in ("base loss", "task mean"):
        assert np.isnan(scores[name].pearson)
        assert scores[name].regret > 0
    assert np.isnan(scores["size only"].beyond_size)


def test_a_null_can_win_on_relative_distance_alone() -> None:
    affinity, truth = _additive(6, 1)
    loud = Affinity.from_matrix(affinity.tasks, affinity.matrix * 4)
    scores = _by_name(evaluate(loud, truth))
    assert scores["estimate"].pearson == pytest.approx(1)
    assert scores["estimate"].relative_distance > scores["task mean"].relative_distance


def test_the_ceiling_is_what_the_noise_leaves() -> None:
    ceilings, reached = [], []
    for seed in range(5):
        affinity, truth = _additive(7, seed, noise=0.03)
        scores = evaluate(affinity, truth)
        ceilings.append(scores.ceiling)
        reached.append(_by_name(scores)["estimate"].pearson)
    assert np.mean(ceilings) == pytest.approx(np.mean(reached), abs=0.05)
    assert evaluate(*_additive(5, 0)).ceiling == pytest.approx(1)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 100))
def test_the_order_of_tasks_does_not_matter(seed: int) -> None:
    affinity, truth = _additive(5, seed, noise=0.02)
    order = [affinity.tasks[i] for i in np.random.default_rng(seed).permutation(5)]
    plain, permuted = evaluate(affinity, truth).to_frame(), evaluate(affinity.with_tasks(order), truth).to_frame()
    np.testing.assert_allclose(plain.iloc[:, 1:-1], permuted.iloc[:, 1:-1], atol=1e-9)


def test_estimated_subset_losses_are_preferred_to_the_matrix() -> None:
    affinity, truth = _additive(4, 0)
    nothing = np.zeros_like(affinity.matrix)
    informed = Affinity(affinity.tasks, nothing, nothing, affinity.counts, subset_losses=truth)
    assert _by_name(evaluate(informed, truth))["estimate"].pearson == pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "pairs", "size"), [("rf1", 0.38, 0.72), ("tox21_20pct", 0.27, 0.43), ("yeast", 0.09, None)]
)
def test_pairs_and_size_score_as_known_on_measured_data(
    shared: Path, name: str, pairs: float, size: float | None
) -> None:
    path = shared / "data" / "measured" / f"{name}.npz"
    validation, test = read_truth(path), read_truth(path, split="test")
    affinity = Affinity(validation.tasks, *co_occurrence_mean(validation, pairs_only=True))
    scores = _by_name(evaluate(affinity, test, budgets=[2]))
    assert scores["estimate"].spearman == pytest.approx(pairs, abs=0.02)
    if size is not None:
        assert scores["size only"].spearman == pytest.approx(size, abs=0.02)


def test_gain_archives_are_read(shared: Path) -> None:
    truth = read_truth(shared / "data" / "mtgnet_gains" / "ettm1.npz", split="test")
    assert len(truth) == 127
    assert truth.alone == pytest.approx(1.0)


def test_scores_are_saved_as_json(tmp_path: Path) -> None:
    scores = evaluate(*_additive(4, 0))
    scores.save(tmp_path / "scores.json")
    assert '"beyond_size": null' in (tmp_path / "scores.json").read_text()
    with pytest.raises(InputError, match="exists already"):
        scores.save(tmp_path / "scores.json")


def test_unfit_truth_is_refused(tmp_path: Path) -> None:
    affinity, truth = _additive(4, 0)
    with pytest.raises(InputError, match="Missing"):
        evaluate(affinity, truth.with_tasks(["t0", "t1", "t2"]))
    with pytest.raises(InputError, match="every task alone"):
        evaluate(affinity, truth.where(truth.sizes > 1))
    with pytest.raises(InputError, match="`min_size`"):
        evaluate(affinity, truth, min_size=5)
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    with pytest.raises(InputError, match="An NPZ truth holds"):
        read_truth(tmp_path / "other.npz")
    (tmp_path / "broken.npz").write_bytes(b"PK")
    with pytest.raises(InputError, match="without pickles"):
        read_truth(tmp_path / "broken.npz")
    with pytest.raises(InputError, match="does not exist"):
        read_truth(tmp_path / "absent.npz")
