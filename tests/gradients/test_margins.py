import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given, settings
from hypothesis import strategies as st

from cotrain.gradients.margins import linear_loss, margins
from cotrain.problem.losses import row_losses
from cotrain.problem.task import Task

from .toys import targets_for


@settings(max_examples=25, deadline=None)
@given(classes=st.integers(2, 7), seed=st.integers(0, 1000), scale=st.sampled_from([0.1, 1.0, 30.0]))
def test_margins_carry_the_loss_exactly(classes: int, seed: int, scale: float) -> None:
    tasks = (Task("a"), Task("b", "multiclass", classes=classes), Task("c", "regression"))
    stream = torch.Generator().manual_seed(seed)
    outputs = scale * torch.randn(9, classes + 2, generator=stream, dtype=torch.float64)
    targets = targets_for(tasks, 9, seed=seed).double()
    found = margins(tasks, outputs, targets)
    losses = torch.cat([F.softplus(-found[:, :2]), found[:, 2:].square()], dim=1)
    torch.testing.assert_close(losses, row_losses(tasks, outputs, targets), rtol=1e-9, atol=1e-12)


def test_outputs_may_come_by_name() -> None:
    outputs = {"b": torch.tensor([[1.0, 3.0]]), "a": torch.tensor([[2.0]])}
    found = margins((Task("a"), Task("b", "multiclass")), outputs, torch.tensor([[1.0, 1.0]]))
    torch.testing.assert_close(found, torch.tensor([[2.0, 2.0]]))


@given(st.lists(st.floats(1e-6, 80), min_size=1, max_size=6))
@settings(max_examples=40, deadline=None)
def test_a_loss_of_its_own_has_the_margin_whose_logistic_loss_it_is(values: list[float]) -> None:
    task = Task("a", "regression", loss=lambda outputs, targets: (outputs[:, 0] - targets).abs())
    outputs, targets = torch.tensor(values)[:, None], torch.zeros(len(values), 1)
    found = margins((task,), outputs, targets)
    assert linear_loss(task) == "logistic"
    torch.testing.assert_close(F.softplus(-found.double()), outputs.double(), rtol=1e-4, atol=1e-8)


def test_a_negative_loss_has_no_margin() -> None:
    task = Task("a", loss=lambda outputs, _: outputs[:, 0])
    assert margins((task,), torch.tensor([[-0.1]]), torch.ones(1, 1)).isnan().all()
