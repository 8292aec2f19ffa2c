"""Linear and kernel surrogates, and what all models share: they can be saved, and know a task alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.affinity.surrogates.planted import additive, blocks, by_size, design, table

from cotrain.affinity import Affinity
from cotrain.affinity.surrogates import GainModel, GainProcess, KernelSurrogate, RidgeSurrogate

MODELS: tuple[type[GainProcess] | type[KernelSurrogate] | type[RidgeSurrogate], ...] = (
    GainProcess,
    KernelSurrogate,
    RidgeSurrogate,
)


def test_ridge_recovers_weights_that_add_up() -> None:
    mask = design(6, larger=60)
    rng = np.random.default_rng(0)
    weights = rng.normal(scale=0.05, size=(6, 6))
    losses = table(mask, -np.log(1.0 - additive(mask, weights)))
    found = RidgeSurrogate.fit(losses)
    off = ~np.eye(6, dtype=bool)
    assert np.corrcoef(found.weights[off], weights[off])[0, 1] > 0.99


def test_the_kernel_surrogate_interpolates_what_it_has_seen() -> None:
    mask = design(6, larger=30)
    losses = table(mask, by_size(mask, 0.3))
    large = mask.sum(axis=1) > 1
    found = KernelSurrogate.fit(losses, strength=1e-6).predict(mask[large]).gain
    np.testing.assert_allclose(found[mask[large]], losses.gain()[large][mask[large]], atol=1e-3)


@pytest.mark.parametrize("kind", MODELS)
def test_models_survive_a_round_trip_within_an_affinity(kind: type[GainProcess], tmp_path: Path) -> None:
    mask = design(6, larger=10)
    losses = table(mask, additive(mask, blocks(6, 0.05)), noise=0.01)
    model: GainModel = kind.fit(losses)
    plain = Affinity.from_matrix(losses.tasks, np.zeros((6, 6)))
    parts = (plain.matrix, plain.standard_error, plain.counts)
    affinity = Affinity(losses.tasks, *parts, subset_losses=losses, model=model)
    affinity.save(tmp_path / "affinity.npz")
    order = [losses.tasks[place] for place in (3, 1, 0, 5, 4, 2)]
    loaded = Affinity.load(tmp_path / "affinity.npz").with_tasks(order)
    np.testing.assert_allclose(
        loaded.predict(mask[:, [3, 1, 0, 5, 4, 2]]).gain, model.predict(mask).gain[:, [3, 1, 0, 5, 4, 2]]
    )
    few = loaded.with_tasks(order[:3])
    np.testing.assert_allclose(few.predict(np.ones((1, 3), dtype=bool)).gain.shape, (1, 3))


@pytest.mark.parametrize("kind", MODELS)
def test_a_task_alone_gains_nothing(kind: type[GainProcess]) -> None:
    mask = design(5, larger=8)
    gain = kind.fit(table(mask, by_size(mask, 0.4), noise=0.01)).predict(np.eye(5, dtype=bool)).gain
    np.testing.assert_array_equal(gain.diagonal(), 0.0)
