"""Task statistics are sums: over rows, so those of joined rows are the sums of the parts."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cotrain.affinity.linear.task_statistics import task_statistics
from cotrain.gradients.task_gradients import LinearLoss, TaskGradients


def draw(seed: int, rows: int, loss: LinearLoss) -> TaskGradients:
    generator = torch.Generator().manual_seed(seed)
    parts = (torch.randn(rows, 4, generator=generator), torch.randn(rows, generator=generator))
    return TaskGradients(parts[0].double(), parts[1].double(), torch.arange(rows), loss)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.integers(0, 30), st.integers(0, 30), st.sampled_from(["logistic", "square"]))
def test_statistics_of_joined_rows_are_the_sum(seed: int, first: int, second: int, loss: LinearLoss) -> None:
    parts = [draw(seed, first, loss), draw(seed + 1, second, loss)]
    joined = TaskGradients(
        torch.cat([part.features for part in parts]),
        torch.cat([part.offset for part in parts]),
        torch.arange(first + second),
        loss,
    )
    whole = task_statistics({"a": joined})
    left, right = (task_statistics({"a": part}) for part in parts)
    for name in ("rows", "loss", "gradient", "hessian", "spread"):
        torch.testing.assert_close(getattr(whole, name), getattr(left, name) + getattr(right, name))


@pytest.mark.parametrize("loss", ["logistic", "square"])
@pytest.mark.parametrize("point", [0.0, 0.5])
def test_statistics_are_the_derivatives_of_the_summed_loss(loss: LinearLoss, point: float) -> None:
    task = draw(5, 20, loss)

    def total(w: torch.Tensor) -> torch.Tensor:
        outputs = task.offset + task.features @ w
        return outputs.square().sum() if loss == "square" else torch.log1p(torch.exp(-outputs)).sum()

    w = torch.full((4,), point, dtype=torch.float64, requires_grad=True)
    value = total(w)
    (gradient,) = torch.autograd.grad(value, w, create_graph=True)
    hessian = torch.stack([torch.autograd.grad(slope, w, retain_graph=True)[0] for slope in gradient])
    statistics = task_statistics({"a": task}, at=w.detach())
    base = task_statistics({"a": task})
    torch.testing.assert_close(statistics.spread, base.hessian.diagonal(dim1=1, dim2=2).sum(dim=1))
    torch.testing.assert_close(statistics.loss[0], value.detach())
    torch.testing.assert_close(statistics.gradient[0], gradient.detach())
    torch.testing.assert_close(statistics.hessian[0], hessian)
