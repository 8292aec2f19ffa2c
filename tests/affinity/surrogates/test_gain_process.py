"""The Gaussian process over subsets where the law of the losses is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.affinity.surrogates.planted import additive, blocks, by_size, design, table

from cotrain.affinity.subset_losses import SubsetLosses
from cotrain.affinity.surrogates import GainProcess
from cotrain.affinity.surrogates.observations import Points
from cotrain.errors import InputError

TASKS = 8
UNSEEN = design(TASKS, larger=40, seed=7)[TASKS + 1 :]


def correlation(model: GainProcess, benefit: np.ndarray) -> float:
    truth = 1.0 - np.exp(-benefit)
    return float(np.corrcoef(model.predict(UNSEEN).gain[UNSEEN], truth[UNSEEN])[0, 1])


def test_size_is_learned_from_a_handful_of_subsets() -> None:
    mask = design(TASKS, larger=6)
    model = GainProcess.fit(table(mask, by_size(mask, -0.5), noise=0.02))
    assert correlation(model, by_size(UNSEEN, -0.5)) > 0.95
    strengths = model.strengths
    assert max(strengths["number"], strengths["company"]) > 3 * strengths["pair"]


def test_blocks_are_learned_from_fewer_subsets_than_pairs() -> None:
    mask, weights = design(TASKS, larger=20), blocks(TASKS, 0.05)
    model = GainProcess.fit(table(mask, additive(mask, weights), noise=0.02))
    assert correlation(model, additive(UNSEEN, weights)) > 0.9


def test_a_score_that_knows_the_answer_is_used_and_one_that_does_not_is_harmless() -> None:
    rng = np.random.default_rng(0)
    weights, mask = rng.normal(scale=0.05, size=(TASKS, TASKS)), design(TASKS, larger=5)
    losses = table(mask, additive(mask, weights), noise=0.01)
    alone = correlation(GainProcess.fit(losses), additive(UNSEEN, weights))
    told = correlation(GainProcess.fit(losses, scores={"oracle": weights}), additive(UNSEEN, weights))
    misled = correlation(
        GainProcess.fit(losses, scores={"noise": rng.normal(size=weights.shape)}), additive(UNSEEN, weights)
    )
    assert told > max(0.95, alone)
    assert misled > alone - 0.1


@pytest.mark.parametrize("law", ["size", "blocks", "nothing"])
def test_intervals_cover_what_they_say(law: str) -> None:
    inside, total = 0.0, 0
    for seed in range(4):
        mask = design(TASKS, larger=14, seed=seed)
        laws = {
            "size": by_size(mask, -0.3),
            "blocks": additive(mask, blocks(TASKS, 0.03)),
            "nothing": np.zeros(mask.shape),
        }
        unseen = {
            "size": by_size(UNSEEN, -0.3),
            "blocks": additive(UNSEEN, blocks(TASKS, 0.03)),
            "nothing": np.zeros(UNSEEN.shape),
        }
        gain, error = GainProcess.fit(table(mask, laws[law], noise=0.03, seed=seed)).predict(UNSEEN)
        truth = 1.0 - np.exp(-unseen[law])
        inside += float((np.abs(gain - truth) <= 1.96 * error)[UNSEEN].sum())
        total += int(UNSEEN.sum())
    assert 0.85 <= inside / total <= 1.0


def test_intervals_are_wider_where_two_halves_of_the_rows_tell_different_things() -> None:
    mask, rng = design(TASKS, larger=14), np.random.default_rng(0)
    slopes = rng.normal(scale=0.1, size=TASKS)
    apart = rng.normal(scale=0.1, size=TASKS)
    alike, different = (
        [table(mask, by_size(mask, slopes + sign * difference), noise=0.02) for sign in (1, -1)]
        for difference in (0.0 * apart, apart)
    )
    narrow, wide = (np.nanmean(GainProcess.fit(halves).predict(UNSEEN).standard_error) for halves in (alike, different))
    assert wide > 2.0 * narrow


def test_noise_shrinks_gains_towards_nothing() -> None:
    mask = design(TASKS, larger=20)
    losses = table(mask, np.zeros(mask.shape), noise=0.05)
    predicted = GainProcess.fit(losses).predict(mask).gain[mask & (mask.sum(axis=1) > 1)[:, None]]
    measured = losses.gain()[mask & (mask.sum(axis=1) > 1)[:, None]]
    assert np.abs(predicted).mean() < 0.8 * np.abs(measured).mean()


@settings(max_examples=8, deadline=None)
@given(st.permutations(range(5)))
def test_the_order_of_tasks_does_not_matter(order: list[int]) -> None:
    mask = design(5, larger=8)
    losses = table(mask, additive(mask, blocks(5, 0.1)), noise=0.01)
    names = [losses.tasks[place] for place in order]
    plain, permuted = GainProcess.fit(losses), GainProcess.fit(losses.with_tasks(names))
    np.testing.assert_allclose(permuted.predict(mask[:, order]).gain, plain.predict(mask).gain[:, order], atol=1e-4)


def test_a_task_alone_gains_nothing_and_absent_tasks_are_not_predicted() -> None:
    mask = design(TASKS, larger=6)
    gain, error = GainProcess.fit(table(mask, by_size(mask, 0.1), noise=0.01)).predict(mask)
    assert np.isnan(gain[~mask]).all()
    np.testing.assert_array_equal(gain[:TASKS][mask[:TASKS]], 0.0)
    np.testing.assert_allclose(error[:TASKS][mask[:TASKS]], 0.0, atol=1e-9)


def test_losses_that_may_be_negative_are_taken_as_they_are() -> None:
    subsets = [("a",), ("b",), ("c",), ("a", "b"), ("b", "c"), ("a", "b", "c")]
    losses = SubsetLosses.from_dict({subset: {task: -1.0 - 0.1 * len(subset) for task in subset} for subset in subsets})
    gain = GainProcess.fit(losses).predict(losses.mask).gain
    assert gain[3, 0] > 0
    assert gain[5, 0] > gain[3, 0]


def test_repeated_trainings_with_their_seeds_say_more() -> None:
    mask = design(TASKS, larger=10)
    twice = np.concatenate([mask, mask])
    losses = table(twice, by_size(twice, 0.2), noise=0.05)
    once = GainProcess.fit(losses.where(np.arange(len(twice)) < len(mask))).predict(UNSEEN)
    both = GainProcess.fit(losses, seeds=np.repeat([0, 1], len(mask))).predict(UNSEEN)
    assert np.nanmean(both.standard_error) < np.nanmean(once.standard_error)


def test_errors_hold_the_doubt_about_the_strengths() -> None:
    mask = design(5, larger=8)
    model = GainProcess.fit(table(mask, by_size(mask, 0.2), noise=0.02))
    points, (gain, error) = Points.of(mask), model.predict(mask)
    variance = model.posterior_covariance(points).diagonal().clamp_min(0).numpy()
    certain = error[mask] > 1e-6
    ratio = error[mask][certain] / (np.sqrt(variance) * (1.0 - gain[mask]))[certain]
    assert 1.1 < np.median(ratio) < 2.0


def test_a_task_that_was_never_alone_is_refused() -> None:
    losses = SubsetLosses.from_dict({("a",): {"a": 1.0}, ("a", "b"): {"a": 1.0, "b": 1.0}})
    with pytest.raises(InputError, match=r"alone.*\['b'\]"):
        GainProcess.fit(losses)
