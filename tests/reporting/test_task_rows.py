"""One line per task says what its verdict says."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.reporting.factory import make_trained

from cotrain.evaluation.intervals import t_interval
from cotrain.reporting.task_rows import task_rows


def test_gains_and_groups_are_those_of_the_verdict() -> None:
    trained = make_trained(7, seeds=3)
    mean, half_width = t_interval(trained.verdict.gains("all-in-one"))
    for column, row in enumerate(task_rows(trained)):
        assert row["group"] == trained.grouping.serving[row["task"]]
        assert row["gain over all-in-one"] == pytest.approx(mean[column])
        assert row["half width over all-in-one"] == pytest.approx(half_width[column])


@pytest.mark.parametrize(("metric", "sign"), [("auc", 1), ("rmse", -1)])
def test_the_best_arm_follows_the_direction_of_the_metric(metric: str, sign: int) -> None:
    trained = make_trained(4)
    trained = replace(trained, verdict=replace(trained.verdict, metrics=(metric,) * 4))
    for column, row in enumerate(task_rows(trained)):
        means = {name: arm.test_metric[:, column].mean() for name, arm in trained.verdict.arms.items()}
        assert row["best metric"] == [max(means, key=lambda name: sign * means[name])]
        assert row[f"loss {row['best loss'][0]}"] == min(row[f"loss {name}"] for name in means)


def test_a_metric_that_is_nowhere_defined_has_no_best_arm() -> None:
    trained = make_trained(3)
    arms = {
        name: replace(arm, test_metric=arm.test_metric * float("nan")) for name, arm in trained.verdict.arms.items()
    }
    rows = task_rows(replace(trained, verdict=replace(trained.verdict, arms=arms)))
    assert all(row["best metric"] == [] for row in rows)
