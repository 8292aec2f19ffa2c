"""The chosen ridge strength is the best of its grid on validation rows."""

from __future__ import annotations

import pytest
import torch

from cotrain.affinity.linear.linear_fits import fit_subsets
from cotrain.affinity.linear.linear_rows import linear_losses
from cotrain.affinity.linear.ridge_strength import choose_strength
from cotrain.errors import InputError
from cotrain.gradients.task_gradients import TaskGradients


def noisy_task(seed: int, rows: int, *, noise: float) -> TaskGradients:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(rows, 30, generator=generator)
    residual = features @ torch.full((30,), 0.1) + noise * torch.randn(rows, generator=generator)
    return TaskGradients(features, residual, torch.arange(rows), "square")


TRAIN = {"a": noisy_task(0, 40, noise=1.0), "b": noisy_task(1, 40, noise=1.0)}
VALIDATION = {"a": noisy_task(2, 400, noise=1.0), "b": noisy_task(3, 400, noise=1.0)}
SINGLES = torch.eye(2, dtype=torch.bool)


def test_the_choice_has_the_lowest_mean_validation_loss() -> None:
    grid = (1.0, 1e-3, 0.1, 100.0)
    choice = choose_strength(TRAIN, VALIDATION, SINGLES, grid=grid)
    probe = torch.tensor([[True, False], [False, True], [True, True]])
    expected = []
    for strength in sorted(grid):
        loss = linear_losses(VALIDATION, fit_subsets(TRAIN, probe, strength=strength).coefficients)
        expected.append(float((loss * probe).sum(dim=1).div(probe.sum(dim=1)).mean()))
    assert choice.validation_loss == pytest.approx(expected)
    assert choice.strength == sorted(grid)[expected.index(min(expected))]
    assert not choice.at_edge


@pytest.mark.parametrize("grid", [(1e-6, 1e-5), (1e3, 1e4)])
def test_a_choice_at_the_edge_says_so(grid: tuple[float, float]) -> None:
    assert choose_strength(TRAIN, VALIDATION, SINGLES, grid=grid).at_edge


def test_tasks_without_validation_rows_do_not_count() -> None:
    empty = TaskGradients(torch.zeros(0, 30), torch.zeros(0), torch.arange(0), "square")
    first = choose_strength(TRAIN, {**VALIDATION, "b": empty}, SINGLES)
    assert all(torch.tensor(first.validation_loss).isfinite())


def test_bad_input_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="`validation` must have the tasks of `train`"):
        choose_strength(TRAIN, {"b": VALIDATION["b"], "a": VALIDATION["a"]}, SINGLES)
    with pytest.raises(InputError, match="`grid` must hold at least one strength"):
        choose_strength(TRAIN, VALIDATION, SINGLES, grid=())
