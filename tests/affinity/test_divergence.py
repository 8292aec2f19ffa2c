"""Divergences against brute force, and in cases where theory knows the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import wasserstein_distance
from tests.affinity.families import member, problem_of
from torch import Tensor

from cotrain.affinity.divergence import DataDivergence
from cotrain.affinity.divergences.data_samples import DataSamples, data_samples
from cotrain.affinity.divergences.sample_divergences import (
    DIVERGENCES,
    Measure,
    proxy_a_distance,
    sliced_wasserstein,
    squared_mmd,
)
from cotrain.errors import InputError
from cotrain.problem.problem import SPLITS, Problem
from cotrain.problem.rows import Inputs, Rows
from cotrain.problem.task import Task
from cotrain.training.trainer import Trainer

MEASURES: tuple[Measure, ...] = ("mmd", "wasserstein", "proxy-a")


def _samples(features: Tensor, member: Tensor) -> DataSamples:
    return DataSamples(features, member, np.arange(len(member)))


def _shifted(*shifts: float, rows: int = 300, features: int = 3, seed: int = 0) -> DataSamples:
    """Samples with rows of their own, Gaussian around ``shift``."""
    stream = torch.Generator().manual_seed(seed)
    values = torch.cat([torch.randn(rows, features, generator=stream) + shift for shift in shifts])
    return _samples(values, torch.eye(len(shifts), dtype=torch.bool).repeat_interleave(rows, dim=1))


def _own_rows_problem(shifts: Sequence[float], *, rows: int = 200) -> Problem:
    """Tasks of inputs around different points, one label each."""
    splits = {}
    for number, split in enumerate(SPLITS):
        stream = torch.Generator().manual_seed(number)
        inputs = torch.cat([torch.randn(rows, 4, generator=stream) + shift for shift in shifts])
        targets = torch.full((len(inputs), len(shifts)), torch.nan)
        for task in range(len(shifts)):
            own = slice(task * rows, (task + 1) * rows)
            targets[own, task] = (torch.rand(rows, generator=stream) < 0.5).float()
        splits[split] = Rows(inputs, targets)
    return replace(problem_of([member(f"t{n}", 0) for n in range(len(shifts))]), splits=splits)


@pytest.mark.parametrize("measure", MEASURES)
def test_farther_samples_are_farther(measure: Measure) -> None:
    found = DIVERGENCES[measure].of(_shifted(0.0, 0.0, 0.5, 1.5), 0)
    assert found[0, 1] < found[0, 2] < found[0, 3]
    np.testing.assert_array_equal(found, found.T)
    assert (found.diagonal() == 0).all()


@pytest.mark.parametrize("measure", MEASURES)
def test_samples_of_the_same_rows_do_not_differ(measure: Measure) -> None:
    features = torch.randn(100, 3, generator=torch.Generator().manual_seed(0))
    half = torch.arange(100) % 2 == 0
    found = DIVERGENCES[measure].of(_samples(features, torch.stack([half, half, ~half])), 0)
    assert found[0, 1] == pytest.approx(0.0, abs=1e-9)


def test_mmd_is_unbiased_and_near_the_kernel_sum() -> None:
    same = [squared_mmd(_shifted(0.0, 0.0, rows=40, seed=seed), seed)[0, 1] for seed in range(60)]
    assert abs(np.mean(same)) < 3 * np.std(same) / np.sqrt(60)
    samples = _shifted(0.0, 1.0, rows=200)
    apart = torch.cdist(samples.features, samples.features)
    kernel = torch.exp(-(apart**2) / (2 * apart[apart > 0].median() ** 2))
    kernel.fill_diagonal_(0.0)
    one, other = kernel[:200, :200].sum() / (200 * 199), kernel[200:, 200:].sum() / (200 * 199)
    exact = float(one + other - 2 * kernel[:200, 200:].mean())
    assert squared_mmd(samples, 0)[0, 1] == pytest.approx(exact, rel=0.25)


def test_in_one_dimension_sliced_wasserstein_is_wasserstein() -> None:
    samples = _shifted(0.0, 0.7, features=1, rows=400)
    values = samples.features[:, 0].numpy()
    exact = wasserstein_distance(values[:400], values[400:])
    assert sliced_wasserstein(samples, 0)[0, 1] == pytest.approx(exact, rel=0.03)


def test_proxy_a_distance_runs_from_nothing_to_two() -> None:
    found = proxy_a_distance(_shifted(0.0, 0.0, 9.0, rows=150), 0)
    assert found[0, 1] < 0.4
    assert found[0, 2] == pytest.approx(2.0)


@pytest.mark.parametrize("measure", MEASURES)
def test_tasks_with_rows_of_their_own_are_compared_by_inputs(measure: Measure) -> None:
    problem = _own_rows_problem([0.0, 0.1, 1.0])
    affinity = DataDivergence(measure=measure).estimate(problem, Trainer(problem))
    assert affinity.unit.endswith("between inputs")
    assert not affinity.warnings
    assert affinity.matrix[0, 1] > affinity.matrix[0, 2]


@pytest.mark.parametrize("measure", MEASURES)
def test_tasks_with_shared_inputs_are_compared_by_class_whatever_its_name(measure: Measure) -> None:
    members = [member("x", 0), member("twin", 0, twin="x"), member("p", 1), member("noise", None)]
    problem = problem_of(members, rows=400)
    train = problem.splits["train"]
    targets = train.targets.clone()
    targets[:, 1] = 1 - targets[:, 1]
    negated = replace(problem, splits={**problem.splits, "train": Rows(train.inputs, targets)})
    affinity = DataDivergence(measure=measure, draws=2).estimate(negated, Trainer(negated))
    assert affinity.unit.endswith("between classes")
    assert affinity.matrix[0, 1] == pytest.approx(0.0, abs=1e-9)
    assert (affinity.matrix[0, 2:] < -1e-3).all()


def test_equal_inputs_are_warned_about() -> None:
    problem = problem_of([member("x", 0), member("y", 1)])
    affinity = DataDivergence(compare="inputs").estimate(problem, Trainer(problem))
    assert "do not differ" in affinity.warnings[0]
    assert abs(affinity.matrix).max() < 1e-9


def test_classes_are_labels_or_thirds() -> None:
    members = [member("x", 0), replace(member("r", 0), task=Task("r", "regression"))]
    samples = data_samples(problem_of(members, rows=90), "classes", rows=90, embedding=None, seed=0)
    assert samples.task.tolist() == [0, 0, 1, 1, 1]
    assert samples.member[2:].sum(dim=1).tolist() == [30, 30, 30]


def test_an_embedding_replaces_the_inputs() -> None:
    problem = _own_rows_problem([0.0, 1.0])
    affinity = DataDivergence(embedding=_nothing).estimate(problem, Trainer(problem))
    assert abs(affinity.matrix).max() < 1e-9


def test_tokens_without_an_embedding_are_refused() -> None:
    problem = _own_rows_problem([0.0, 1.0])
    train = problem.splits["train"]
    assert isinstance(train.inputs, Tensor)
    tokens = replace(problem, splits={**problem.splits, "train": Rows(train.inputs.long(), train.targets)})
    with pytest.raises(InputError, match="`embedding`"):
        DataDivergence().estimate(tokens, Trainer(tokens))


def _nothing(inputs: Inputs) -> Tensor:
    return torch.ones(len(inputs), 2)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"measure": "kl"}, "`measure`"),
        ({"compare": "outputs"}, "`compare`"),
        ({"rows": 1}, "`rows`"),
        ({"draws": 0}, "`draws`"),
    ],
)
def test_bad_parameters_are_refused(options: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        DataDivergence(**options)
