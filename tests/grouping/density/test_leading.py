"""The leading eigenpairs followed from call to call are those that the dense solver finds."""

from __future__ import annotations

import numpy as np
import pytest
from tests.grouping.partitions import Matrix, planted, symmetric

from cotrain.grouping.density.group_count import GroupCount
from cotrain.grouping.density.leading import LeadingPairs
from cotrain.grouping.density.relaxation import Relaxation, centre
from cotrain.grouping.density.splitting import Splitting


def followed(matrix: Matrix, used: int, above: float, calls: int) -> tuple[Matrix, Matrix]:
    pairs = LeadingPairs(len(matrix))
    for _ in range(calls):
        values, vectors = pairs.of(matrix)
        pairs.keep(used, above=above)
    return values, vectors


@pytest.mark.parametrize("seed", range(3))
def test_pairs_of_a_matrix_that_moves_are_followed(seed: int) -> None:
    rng = np.random.default_rng(seed)
    low_rank = rng.normal(size=(80, 6))
    start, change = low_rank @ low_rank.T + symmetric(rng.normal(size=(80, 80))), symmetric(rng.normal(size=(80, 80)))
    pairs = LeadingPairs(80)
    for step in range(40):
        matrix = start + 0.02 * min(step, 30) * change
        values, vectors = pairs.of(matrix)
        pairs.keep(6, above=15.0)
    truth = np.linalg.eigvalsh(centre(matrix))
    assert len(values) == int(1.5 * 6) + 10
    assert values[-6:] == pytest.approx(truth[-6:], rel=1e-3)
    assert np.abs(vectors.sum(axis=0)).max() < 1e-9
    assert vectors.T @ vectors == pytest.approx(np.eye(len(values)), abs=1e-9)


def test_more_pairs_are_found_when_more_are_used() -> None:
    matrix = np.diag(np.arange(100.0))
    pairs = LeadingPairs(100)
    for used in [3] * 5 + [12] * 20:
        values, _ = pairs.of(matrix)
        pairs.keep(used, above=99.0 - used)
    assert len(values) == 28
    assert values[-12:] == pytest.approx(np.linalg.eigvalsh(centre(matrix))[-12:], abs=1e-2)


@pytest.mark.parametrize("matrix", [np.zeros((50, 50)), np.eye(50), np.full((50, 50), -1.0)])
@pytest.mark.parametrize("precision", [np.float32, np.float64])
def test_equal_eigenvalues_do_no_harm(matrix: Matrix, precision: type) -> None:
    values, vectors = followed(matrix.astype(precision), 3, 0.0, 5)
    assert np.isfinite(values).all()
    assert np.isfinite(vectors).all()


def test_following_changes_the_bound_little(monkeypatch: pytest.MonkeyPatch) -> None:
    relaxation = Relaxation(symmetric(planted(100, 5, 1.0, seed=0)[0]), GroupCount(5))
    bound = relaxation.bound(Splitting(relaxation).run(40).multiplier)
    monkeypatch.setattr("cotrain.grouping.density.leading._LARGEST_SHARE", 0.0)
    dense = relaxation.bound(Splitting(relaxation).run(40).multiplier)
    assert bound == pytest.approx(dense, rel=2e-3)
