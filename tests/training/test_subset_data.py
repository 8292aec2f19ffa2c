import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cotrain.errors import InputError
from cotrain.problem.problem import Problem, Split
from cotrain.problem.rows import Rows
from cotrain.problem.task import Task
from cotrain.training.subset_data import SubsetData, batches, trainable

from .problems import MIXED, problem_for

CPU = torch.device("cpu")


def explicit_loss(data: SubsetData, outputs: torch.Tensor) -> float:
    """Mean over tasks of weight times the mean loss over observed rows, one label at a time."""
    means = []
    for column, task in enumerate(data.tasks):
        start = sum(other.width for other in data.tasks[:column])
        own = [
            label_loss(task, output[start : start + task.width], target[column].item())
            for output, target in zip(outputs, data.train.targets, strict=True)
            if not math.isnan(target[column])
        ]
        means.append(task.weight * sum(own) / len(own))
    return sum(means) / len(means)


def label_loss(task: Task, output: torch.Tensor, target: float) -> float:
    if task.kind == "regression":
        return (output.item() - target) ** 2
    if task.kind == "multiclass":
        return -torch.log_softmax(output, dim=0)[int(target)].item()
    return math.log1p(math.exp(-output.item() if target else output.item()))


@settings(max_examples=20, deadline=None)
@given(missing=st.floats(0, 0.9), seed=st.integers(0, 1000), size=st.integers(1, 30))
def test_the_loss_is_the_mean_over_tasks_of_their_means_whatever_is_missing_and_however_batches_fall(
    missing: float, seed: int, size: int
) -> None:
    data = SubsetData.of(problem_for(missing=missing, rows=30), ("a", "b", "c", "d"), CPU)
    outputs = torch.randn(len(data.train), 6, generator=torch.Generator().manual_seed(seed))
    parts = batches(len(data.train), size, seed, 0)
    total = sum(data.loss(outputs[part], data.train.targets[part]).item() * len(part) for part in parts)
    assert total / len(data.train) == pytest.approx(explicit_loss(data, outputs), rel=1e-5)


@settings(max_examples=50, deadline=None)
@given(rows=st.integers(1, 200), size=st.integers(1, 50), seed=st.integers(0, 99), epoch=st.integers(0, 99))
def test_batches_hold_every_row_once_and_are_equally_large(rows: int, size: int, seed: int, epoch: int) -> None:
    found = batches(rows, size, seed, epoch)
    assert sorted(torch.cat(found).tolist()) == list(range(rows))
    assert max(map(len, found)) <= size
    assert max(map(len, found)) - min(map(len, found)) <= 1


def test_epochs_and_seeds_order_rows_differently() -> None:
    orders = {tuple(torch.cat(batches(50, 10, seed, epoch)).tolist()) for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9


def unlabelled(column: int, split: Split) -> Problem:
    problem = problem_for(missing=0.0)
    rows = problem.splits[split]
    targets = rows.targets.clone()
    targets[:, column] = float("nan")
    splits: dict[Split, Rows] = {**problem.splits, split: Rows(rows.inputs, targets)}
    return Problem(MIXED, splits, problem.build)


@pytest.mark.parametrize(
    ("problem", "subset", "message"),
    [
        (problem_for(), (), "`subset` must hold at least one task"),
        (problem_for(), ("a", "x"), "Found 'x'"),
        (unlabelled(0, "train"), ("a", "b"), "Task 'b' must have a label in at least one training row"),
        (unlabelled(1, "validation"), ("a",), "validation row. Found none for a"),
    ],
)
def test_a_subset_that_cannot_be_trained_is_refused_by_name(
    problem: Problem, subset: tuple[str, ...], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        trainable(problem, subset)
    assert message in str(caught.value)


def test_a_subset_comes_back_sorted() -> None:
    assert trainable(problem_for(), ["d", "a"]) == ("a", "d")
