"""A sequence task's output is a margin already: its loss, margin and metric, and rows in pieces."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from cotrain.errors import InputError
from cotrain.gradients import collect, make_basis
from cotrain.gradients.margins import linear_loss, margins
from cotrain.problem import SPLITS, Problem, Rows, Task, row_losses, task_metric

TASK = Task("story", "sequence")
MISSING = float("nan")


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=5))
@settings(max_examples=50, deadline=None)
def test_loss_of_the_margin_is_the_loss_of_the_row(values: list[float]) -> None:
    outputs, targets = torch.tensor(values)[:, None], torch.ones(len(values), 1)
    found = margins([TASK], outputs, targets)
    torch.testing.assert_close(found, outputs)
    torch.testing.assert_close(torch.log1p(torch.exp(-found.double())), row_losses([TASK], outputs, targets).double())
    assert linear_loss(TASK) == "logistic"


def test_perplexity_is_that_of_the_observed_rows() -> None:
    losses = torch.tensor([1.0, 2.0, 9.0])
    outputs = -torch.log(torch.expm1(losses))[:, None]
    targets = torch.tensor([1.0, 1.0, MISSING])
    assert task_metric(TASK, outputs, targets) == pytest.approx(math.exp(1.5), rel=1e-5)
    assert task_metric(Task("story", "sequence", metric="loss"), outputs, targets) == pytest.approx(1.5, rel=1e-5)


def test_a_column_of_a_table_is_no_sequence() -> None:
    with pytest.raises(InputError, match="from_texts"):
        Problem.from_arrays(torch.randn(30, 2), torch.arange(30) % 2, kinds="sequence")


def test_gradients_are_taken_of_pieces_where_there_are_any() -> None:
    whole = Rows(torch.randn(4, 2), torch.ones(4, 1))
    pieces = Rows(torch.randn(7, 2), torch.ones(7, 1))
    splits = dict.fromkeys(SPLITS, whole)
    problem = Problem((TASK,), splits, lambda _: nn.Linear(2, 1), pieces={"train": pieces})
    network = problem.build(problem.tasks)
    basis = make_basis("identity", problem, network, ("story",))
    counts = [len(collect(problem, network, ("story",), split, basis)["story"]) for split in SPLITS[:2]]
    assert counts == [7, 4]
    assert len(problem.with_tasks(["story"]).pieces["train"]) == 7
