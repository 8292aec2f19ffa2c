"""Subset fits against a naive Newton loop, against scikit-learn and SciPy, and against what must hold exactly."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.linear_model import LogisticRegression, Ridge
from torch import Tensor

from cotrain.affinity.linear.linear_fits import SubsetFits, TaskWeights, fit_subsets
from cotrain.affinity.linear.linear_rows import linear_losses
from cotrain.affinity.linear.task_statistics import task_statistics
from cotrain.errors import InputError
from cotrain.gradients import GradientStore, StoreSpec
from cotrain.gradients.digests import Origin
from cotrain.gradients.task_gradients import LinearLoss, TaskGradients

Tasks = Mapping[str, TaskGradients]


def draw_task(seed: int, rows: int, width: int, loss: LinearLoss, dtype: torch.dtype = torch.float64) -> TaskGradients:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(rows, width, generator=generator, dtype=dtype)
    offset = torch.randn(rows, generator=generator, dtype=dtype)
    return TaskGradients(features, offset, torch.arange(rows), loss)


def draw_tasks(
    seed: int, *, rows: tuple[int, ...] = (60, 30, 90), width: int = 5, dtype: torch.dtype = torch.float64
) -> dict[str, TaskGradients]:
    losses: tuple[LinearLoss, LinearLoss] = ("logistic", "square")
    return {f"t{i}": draw_task(seed + i, count, width, losses[i % 2], dtype) for i, count in enumerate(rows)}


def all_subsets(tasks: int) -> Tensor:
    return torch.tensor([[bool(code >> bit & 1) for bit in range(tasks)] for code in range(2**tasks)])


def newton_fit(tasks: Tasks, members: list[str], weights: Mapping[str, float], ridge: float) -> np.ndarray:
    """One subset, the plain way: damped Newton steps over the rows."""
    width = next(iter(tasks.values())).features.shape[1]
    total = sum(weights[name] for name in members)

    def terms(w: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        value, slope, hessian = ridge / 2 * w @ w, ridge * w, ridge * np.eye(width)
        for name in members:
            task = tasks[name]
            g, u = task.features.numpy(), task.offset.numpy() + task.features.numpy() @ w
            share = weights[name] / total / len(task)
            if task.loss == "square":
                loss, first, second = u**2, 2 * u, np.full_like(u, 2.0)
            else:
                loss, first, second = np.logaddexp(0, -u), -expit(-u), expit(u) * expit(-u)
            value += share * loss.sum()
            slope = slope + share * g.T @ first
            hessian = hessian + share * (g * second[:, None]).T @ g
        return float(value), slope, hessian

    w = np.zeros(width)
    for _ in range(60):
        value, slope, hessian = terms(w)
        step = np.linalg.solve(hessian, slope)
        while terms(w - step)[0] > value + 1e-15 and np.abs(step).max() > 1e-14:
            step = step / 2
        w = w - step
    return w


def assert_close(fits: SubsetFits, reference: np.ndarray, tolerance: float) -> None:
    error = np.linalg.norm(fits.coefficients.numpy() - reference, axis=1)
    assert (error <= tolerance * np.maximum(np.linalg.norm(reference, axis=1), 1e-6)).all()


@settings(max_examples=20, deadline=None)
@given(
    st.integers(0, 10_000),
    st.lists(st.integers(0, 40), min_size=1, max_size=4).filter(any),
    st.integers(1, 7),
    st.sampled_from([None, "rows", "names"]),
    st.sampled_from([0.03, 0.3, 3.0]),
)
def test_agrees_with_a_naive_newton_loop(
    seed: int, rows: list[int], width: int, weighting: str | None, strength: float
) -> None:
    tasks = draw_tasks(seed, rows=tuple(rows), width=width)
    by_name = {name: 1.0 + i for i, name in enumerate(tasks)}
    given_weights: TaskWeights = by_name if weighting == "names" else "rows" if weighting == "rows" else None
    mask = all_subsets(len(tasks))
    fits = fit_subsets(tasks, mask, strength=strength, corrections=25, weights=given_weights)
    numbers = {"names": by_name, "rows": {name: float(len(task)) for name, task in tasks.items()}}
    used = numbers.get(str(weighting), dict.fromkeys(tasks, 1.0))
    members = [[name for name, inside in zip(tasks, row, strict=True) if inside and len(tasks[name])] for row in mask]
    reference = np.stack([newton_fit(tasks, names, used, fits.ridge) for names in members])
    assert_close(fits, reference, 1e-6)
    distance = np.linalg.norm(fits.coefficients.numpy() - reference, axis=1)
    assert (distance <= fits.gradient_norm.numpy() / fits.ridge + 1e-9).all()


def test_two_corrections_in_float32_are_within_a_thousandth_and_three_better() -> None:
    tasks = draw_tasks(3, rows=(800, 500, 900), width=20, dtype=torch.float32)
    exact = {
        name: TaskGradients(task.features.double(), task.offset.double(), task.sample, task.loss)
        for name, task in tasks.items()
    }
    mask = all_subsets(3)[1:]
    reference = fit_subsets(exact, mask, strength=0.1, corrections=25).coefficients.numpy()
    errors = []
    for corrections in range(4):
        fits = fit_subsets(tasks, mask, strength=0.1, corrections=corrections)
        error = np.linalg.norm(fits.coefficients.numpy() - reference, axis=1) / np.linalg.norm(reference, axis=1)
        errors.append(error.max())
    assert errors[2] < 1e-3
    assert errors[3] < errors[2] < errors[1] < errors[0]


def test_an_empty_subset_stays_at_the_base_model() -> None:
    fits = fit_subsets(draw_tasks(0), torch.zeros(1, 3, dtype=torch.bool), strength=0.1)
    assert fits.coefficients.abs().max() == 0
    assert fits.training_loss.isnan().all()


def test_all_tasks_at_a_converged_base_stay_there_with_the_base_losses() -> None:
    tasks = draw_tasks(1)
    everything = torch.ones(1, 3, dtype=torch.bool)
    optimum = fit_subsets(tasks, everything, strength=1e-9, corrections=40).coefficients[0]
    base = {
        name: TaskGradients(task.features, task.offset + task.features @ optimum, task.sample, task.loss)
        for name, task in tasks.items()
    }
    fits = fit_subsets(base, everything, strength=1e-3)
    assert fits.coefficients.norm() < 1e-6 * optimum.norm()
    torch.testing.assert_close(fits.training_loss, linear_losses(base, torch.zeros(1, 5, dtype=torch.float64)))


def test_without_the_offset_the_converged_base_would_move() -> None:
    tasks = draw_tasks(1)
    dropped = {
        name: TaskGradients(task.features, torch.zeros_like(task.offset), task.sample, task.loss)
        for name, task in tasks.items()
    }
    mask = torch.ones(1, 3, dtype=torch.bool)
    kept = fit_subsets(tasks, mask, strength=0.1).coefficients
    assert (fit_subsets(dropped, mask, strength=0.1).coefficients - kept).norm() > 0.1 * kept.norm()


def test_permuting_rows_changes_nothing() -> None:
    tasks = draw_tasks(2)
    order = {
        name: torch.randperm(len(task), generator=torch.Generator().manual_seed(0)) for name, task in tasks.items()
    }
    shuffled = {
        name: TaskGradients(task.features[order[name]], task.offset[order[name]], order[name], task.loss)
        for name, task in tasks.items()
    }
    first, second = (fit_subsets(rows, all_subsets(3), strength=0.1) for rows in (tasks, shuffled))
    torch.testing.assert_close(first.coefficients, second.coefficients)


def test_flipping_the_sign_of_square_rows_changes_nothing() -> None:
    tasks = draw_tasks(2)
    square = tasks["t1"]
    sign = torch.where(torch.arange(len(square)) % 2 == 0, 1.0, -1.0).double()
    flipped = {
        **tasks,
        "t1": TaskGradients(square.features * sign[:, None], square.offset * sign, square.sample, "square"),
    }
    first, second = (fit_subsets(rows, all_subsets(3), strength=0.1) for rows in (tasks, flipped))
    torch.testing.assert_close(first.coefficients, second.coefficients)


def test_flipping_the_basis_flips_the_coefficients() -> None:
    tasks = draw_tasks(4)
    flipped = {name: TaskGradients(-task.features, task.offset, task.sample, task.loss) for name, task in tasks.items()}
    first, second = (fit_subsets(rows, all_subsets(3), strength=0.1) for rows in (tasks, flipped))
    torch.testing.assert_close(first.coefficients, -second.coefficients)


def test_permuting_tasks_permutes_the_result() -> None:
    tasks = draw_tasks(5, rows=(20, 30, 40, 50))
    order = [2, 0, 3, 1]
    permuted = {f"t{i}": tasks[f"t{i}"] for i in order}
    mask = all_subsets(4)
    first = fit_subsets(tasks, mask, strength=0.1)
    second = fit_subsets(permuted, mask[:, order], strength=0.1)
    torch.testing.assert_close(first.coefficients, second.coefficients)
    torch.testing.assert_close(first.training_loss[:, order], second.training_loss, equal_nan=True)


def test_the_fit_of_a_subset_does_not_depend_on_the_other_subsets() -> None:
    tasks, mask = draw_tasks(6), all_subsets(3)
    together = fit_subsets(tasks, mask, strength=0.1).coefficients
    alone = torch.cat([fit_subsets(tasks, mask[i : i + 1], strength=0.1).coefficients for i in range(len(mask))])
    torch.testing.assert_close(together, alone)


def test_ridge_is_exact_without_corrections_and_equals_scikit_learn() -> None:
    task = draw_task(7, 80, 6, "square")
    fits = fit_subsets({"a": task}, torch.ones(1, 1, dtype=torch.bool), strength=0.2, corrections=0)
    oracle = Ridge(alpha=fits.ridge * len(task) / 2, fit_intercept=False).fit(
        task.features.numpy(), -task.offset.numpy()
    )
    np.testing.assert_allclose(fits.coefficients[0].numpy(), oracle.coef_, rtol=1e-8)
    assert float(fits.gradient_norm) < 1e-12


def test_a_linear_logistic_model_is_the_true_refit() -> None:
    """Base = a fit with a penalty around zero; its estimate for a subset equals refitting that subset from scratch."""
    generator = torch.Generator().manual_seed(8)
    x = torch.randn(300, 4, generator=generator, dtype=torch.float64)
    sign = torch.where(torch.rand(300, generator=generator) < torch.sigmoid(x[:, 0] - x[:, 1]), 1.0, -1.0).double()
    theta = torch.tensor([0.5, -0.2, 0.1, 0.0], dtype=torch.float64)
    rows = TaskGradients(sign[:, None] * x, sign * (x @ theta), torch.arange(300), "logistic")
    fits = fit_subsets({"a": rows}, torch.ones(1, 1, dtype=torch.bool), strength=1e-9, corrections=12)
    oracle = LogisticRegression(C=1e9, fit_intercept=False, tol=1e-12, solver="newton-cholesky").fit(
        x.numpy(), sign.numpy()
    )
    np.testing.assert_allclose((theta + fits.coefficients[0]).numpy(), oracle.coef_[0], rtol=1e-5)


def test_a_step_too_long_is_shortened() -> None:
    """Separable rows far on the wrong side: the Newton step at w = 0 overshoots by orders of magnitude."""
    features = torch.tensor([[1.0], [1.0]], dtype=torch.float64)
    rows = TaskGradients(features, torch.tensor([-30.0, 2.0], dtype=torch.float64), torch.arange(2), "logistic")
    mask = torch.ones(1, 1, dtype=torch.bool)
    start = linear_losses({"a": rows}, torch.zeros(1, 1, dtype=torch.float64))
    for corrections in (1, 2, 5, 40):
        fits = fit_subsets({"a": rows}, mask, strength=1e-3, corrections=corrections)
        assert fits.training_loss <= start
    assert float(fits.gradient_norm) < 1e-6


def test_linear_losses_are_the_mean_losses() -> None:
    tasks = draw_tasks(9)
    coefficients = torch.randn(7, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = []
    for task in tasks.values():
        outputs = task.offset[:, None] + task.features @ coefficients.T
        loss = outputs.square() if task.loss == "square" else torch.log1p(torch.exp(-outputs))
        expected.append(loss.mean(dim=0))
    torch.testing.assert_close(linear_losses(tasks, coefficients), torch.stack(expected, dim=1))


def test_half_precision_features_are_computed_in_float32() -> None:
    tasks = draw_tasks(10, dtype=torch.bfloat16)
    fits = fit_subsets(tasks, all_subsets(3), strength=0.1)
    assert fits.coefficients.dtype == torch.float32
    assert linear_losses(tasks, fits.coefficients).dtype == torch.float32


def test_shared_statistics_lead_to_the_same_optimum() -> None:
    tasks, mask = draw_tasks(12), all_subsets(3)
    own = fit_subsets(tasks, mask, strength=0.1, corrections=12)
    shared = fit_subsets(tasks, mask, strength=0.1, corrections=12, statistics=task_statistics(tasks))
    assert own.ridge == pytest.approx(shared.ridge)
    torch.testing.assert_close(own.coefficients, shared.coefficients, rtol=1e-6, atol=1e-9)


def test_small_chunks_give_the_same_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    tasks, mask = draw_tasks(11), all_subsets(3)
    whole = fit_subsets(tasks, mask, strength=0.1)
    monkeypatch.setattr("cotrain.affinity.linear.linear_fits._FACTOR_VALUES", 75)
    monkeypatch.setattr("cotrain.affinity.linear.linear_rows._BLOCK_VALUES", 35)
    chunked = fit_subsets(tasks, mask, strength=0.1)
    torch.testing.assert_close(whole.coefficients, chunked.coefficients)
    torch.testing.assert_close(whole.training_loss, chunked.training_loss, equal_nan=True)


def test_a_hessian_too_flat_for_float32_is_fitted_in_float64() -> None:
    features = torch.full((40, 30), 1.0) + 1e-4 * torch.eye(40, 30)
    rows = TaskGradients(features, torch.ones(40), torch.arange(40), "square")
    precise = TaskGradients(features.double(), rows.offset, rows.sample, "square")
    mask = torch.ones(1, 1, dtype=torch.bool)
    single, double = (fit_subsets({"a": task}, mask, strength=1e-10, corrections=0) for task in (rows, precise))
    assert single.coefficients.dtype == torch.float32
    torch.testing.assert_close(single.coefficients, double.coefficients.float(), rtol=1e-3, atol=1e-5)


def test_fits_from_a_store_equal_fits_in_memory(tmp_path: Path) -> None:
    tasks, mask = draw_tasks(13, dtype=torch.float32), all_subsets(3)
    store = GradientStore.create(tmp_path, StoreSpec("w", {}, {"dimension": 5}))
    for name, task in tasks.items():
        store.append("train", name, 0, task, origin=Origin("", task.sample))
    read = store.read("train")
    stored, held = (fit_subsets(rows, mask, strength=0.1) for rows in (read, tasks))
    assert torch.equal(stored.coefficients, held.coefficients)
    assert torch.equal(linear_losses(read, held.coefficients), linear_losses(tasks, held.coefficients))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mask": torch.ones(2, 2, dtype=torch.bool)}, r"`mask` must be boolean with shape \(subsets, 3\)"),
        ({"mask": torch.ones(2, 3)}, "`mask` must be boolean"),
        ({"strength": 0.0}, "`strength` must be positive"),
        ({"strength": float("nan")}, "`strength` must be positive"),
        ({"corrections": -1}, "`corrections` must be at least 0"),
        ({"weights": {"t0": 1.0}}, "`weights` must be 'rows' or a positive number for each"),
        ({"weights": "columns"}, "`weights` must be 'rows'"),
        ({"weights": {"t0": 1.0, "t1": 0.0, "t2": 1.0}}, "`weights` must be 'rows'"),
        ({"gradients": {}}, "`gradients` must hold rows of at least one task"),
        ({"gradients": {"a": draw_task(0, 0, 2, "square")}}, r"`gradients` must hold rows .*\['a'\]"),
        ({"statistics": task_statistics({"a": draw_task(0, 3, 5, "square")})}, "`statistics` must be of the tasks"),
        ({"gradients": {"a": draw_task(0, 3, 2, "square"), "b": draw_task(0, 3, 4, "square")}}, "same dimension"),
    ],
)
def test_bad_input_is_refused_by_name(change: dict[str, Any], message: str) -> None:
    tasks = change.pop("gradients", draw_tasks(0))
    mask = change.pop("mask", torch.ones(2, len(tasks), dtype=torch.bool))
    with pytest.raises(InputError, match=message):
        fit_subsets(tasks, mask, **{"strength": 0.1, **change})


def test_rows_that_are_not_finite_are_refused_with_the_task() -> None:
    tasks = draw_tasks(0)
    tasks["t1"].offset[3] = torch.nan
    with pytest.raises(InputError, match=r"finite.*\['t1'\]"):
        fit_subsets(tasks, all_subsets(3), strength=0.1)
