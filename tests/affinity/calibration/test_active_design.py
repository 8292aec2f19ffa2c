"""Which subsets are trained next."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.affinity.surrogates.planted import additive, blocks, design, table

from cotrain.affinity.calibration.active_design import first_subsets, largest, most_telling
from cotrain.affinity.calibration.candidates import candidate_subsets
from cotrain.affinity.surrogates import GainProcess
from cotrain.affinity.surrogates.observations import Points


def uncertainty(model: GainProcess, chosen: np.ndarray) -> float:
    """Variance left over random subsets once ``chosen`` were observed too."""
    targets, told = Points.of(design(len(model.tasks), larger=30, seed=9)), Points.of(chosen)
    covariance = model.posterior_covariance(targets.joined(told))
    n, noise = len(targets), np.diag(model.settings.noise(told).numpy())
    cross = covariance[:n, n:].numpy()
    left = covariance[:n, :n].numpy() - cross @ np.linalg.solve(covariance[n:, n:].numpy() + noise, cross.T)
    return float(left.trace())


def same_price(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.ones(len(mask))


def test_chosen_subsets_leave_less_uncertain_than_random_ones() -> None:
    mask = design(8, larger=6)
    model = GainProcess.fit(table(mask, additive(mask, blocks(8, 0.05)), noise=0.02))
    chosen = uncertainty(model, most_telling(model, 4, seed=0, price=same_price))
    rng = np.random.default_rng(0)
    random = [uncertainty(model, first_subsets(model.tasks, 4, int(rng.integers(1000)))) for _ in range(10)]
    assert chosen < np.mean(random)


def test_what_is_dear_must_tell_more() -> None:
    mask = design(8, larger=6)
    model = GainProcess.fit(table(mask, additive(mask, blocks(8, 0.05)), noise=0.02))
    sizes = [
        most_telling(model, 6, seed=0, price=price).sum(axis=1).mean()
        for price in (
            same_price,
            lambda mask: mask.sum(axis=1).astype(np.float64),
            lambda mask: 100.0 ** mask.sum(axis=1),
        )
    ]
    assert sizes[0] > sizes[1] > sizes[2]


@pytest.mark.parametrize("tasks", [3, 4, 9, 40])
def test_first_subsets_are_of_all_sizes(tasks: int) -> None:
    sizes = first_subsets([f"t{number}" for number in range(tasks)], 30, seed=0).sum(axis=1)
    assert set(sizes) <= set(range(2, largest(tasks) + 1))
    assert (sizes.min(), sizes.max()) == (2, largest(tasks))


def test_candidates_are_all_subsets_of_few_tasks_and_prefixes_of_partners_of_many() -> None:
    assert len(candidate_subsets(np.zeros((6, 6)))) == 2**6 - 1
    many = candidate_subsets(blocks(20, 1.0))
    half = np.arange(20) < 10
    assert (many[:, half].sum(axis=1) * ~many[:, ~half].any(axis=1)).max() >= 9
    assert many.any(axis=1).all()
    assert len(np.unique(many, axis=0)) == len(many)
