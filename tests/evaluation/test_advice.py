"""Comparisons and advice from losses that are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from cotrain.cost import Cost
from cotrain.evaluation.advice import advise, compare
from cotrain.evaluation.intervals import t_interval
from cotrain.evaluation.verdict import Arm, ArmName, Verdict

NAMES: tuple[ArmName, ...] = ("chosen", "all-in-one", "one-per-task", "random")


def arms(levels: dict[str, float], *, seeds: int = 5, noise: float = 0.001) -> dict[ArmName, Arm]:
    rng = np.random.default_rng(0)
    result = {}
    for name in NAMES:
        loss = levels[name] + noise * rng.standard_normal((seeds, 3))
        result[name] = Arm(name, 2, loss, 1 - loss, Cost(1.0, 1.0, 2))
    return result


@pytest.mark.parametrize(
    ("chosen", "together", "alone", "advice"),
    [
        (0.8, 1.0, 1.0, "group so"),
        (1.0, 0.8, 1.0, "train all together"),
        (1.0, 1.1, 0.8, "train alone"),
        (0.9, 1.1, 0.8, "train alone"),
        (1.0, 1.0, 1.0, "no difference beyond noise"),
        (0.8, 0.8, 1.0, "train all together"),
        (1.2, 1.0, 1.0, "no difference beyond noise"),
    ],
)
def test_advice(chosen: float, together: float, alone: float, advice: str) -> None:
    found = arms({"chosen": chosen, "all-in-one": together, "one-per-task": alone, "random": 1.0})
    comparisons = compare(found)
    assert advise(comparisons, 2)[0] == advice


def test_sentence_holds_the_figures() -> None:
    found = arms({"chosen": 0.8, "all-in-one": 1.0, "one-per-task": 1.0, "random": 1.0}, noise=1e-9)
    _, sentence = advise(compare(found), 2)
    assert "saved by 2 networks: +20.0% (95 % interval +20.0% to +20.0%) over all-in-one" in sentence


def test_better_than_all_in_one_is_said_even_where_alone_wins() -> None:
    found = arms({"chosen": 0.9, "all-in-one": 1.1, "one-per-task": 0.8, "random": 1.0})
    assert "these groups still beat all-in-one" in advise(compare(found), 2)[1]


def test_one_seed_has_no_interval_and_decides_nothing() -> None:
    found = arms({"chosen": 0.5, "all-in-one": 1.0, "one-per-task": 1.0, "random": 1.0}, seeds=1)
    advice, sentence = advise(compare(found), 2)
    assert advice == "no difference beyond noise"
    assert "one seed, no interval" in sentence


def test_gains_are_paired_by_seed() -> None:
    shift = np.linspace(1, 3, 5)[:, None]
    losses = {"chosen": 0.9 * shift, "all-in-one": shift, "one-per-task": shift, "random": shift}
    found: dict[ArmName, Arm] = {name: Arm(name, 1, losses[name], losses[name], Cost()) for name in NAMES}
    comparison = compare(found)[0]
    assert comparison.gain == pytest.approx(0.1)
    assert comparison.high - comparison.low < 1e-9


def test_interval_is_students() -> None:
    values = np.random.default_rng(1).standard_normal(6)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    mean, half_width = t_interval(values)
    assert (mean - half_width, mean + half_width) == pytest.approx((expected.low, expected.high))


def test_verdict_survives_a_file(tmp_path: Path) -> None:
    found = arms({"chosen": 0.8, "all-in-one": 1.0, "one-per-task": 1.0, "random": 0.9})
    comparisons = compare(found)
    verdict = Verdict(("a", "b", "c"), ("auc",) * 3, found, comparisons, *advise(comparisons, 2))
    verdict.save(tmp_path / "verdict.npz")
    loaded = Verdict.load(tmp_path / "verdict.npz")
    assert loaded.comparisons == verdict.comparisons
    assert (loaded.advice, loaded.sentence) == (verdict.advice, verdict.sentence)
    np.testing.assert_array_equal(loaded.gains("all-in-one"), verdict.gains("all-in-one"))
    assert loaded.arms["random"].cost == verdict.arms["random"].cost
    assert loaded.to_frame().equals(verdict.to_frame())
    assert loaded.arms_frame().loc[1, "gain over all-in-one"] == 0
