import itertools
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchjd.aggregation import PCGrad

from cotrain.seeding import seeded
from cotrain.training.balancing.wpcgrad import WPCGrad

AGGREGATORS: tuple[Callable[[], Callable[[Tensor], Tensor]], ...] = (
    PCGrad,
    lambda: WPCGrad(both_when_equal=True),
)


def random_gradients(tasks: int, seed: int, size: int = 7) -> Tensor:
    return torch.randn(tasks, size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("build", AGGREGATORS)
def test_one_task_keeps_its_gradient(build: Callable[[], Callable[[Tensor], Tensor]]) -> None:
    gradients = random_gradients(1, 0)
    assert torch.allclose(build()(gradients), gradients[0])


@pytest.mark.parametrize("build", AGGREGATORS)
def test_without_conflict_gradients_add_up(build: Callable[[], Callable[[Tensor], Tensor]]) -> None:
    gradients = random_gradients(4, 1).abs()
    assert torch.allclose(build()(gradients), gradients.sum(dim=0))


@pytest.mark.parametrize("build", AGGREGATORS)
def test_opposite_gradients_cancel(build: Callable[[], Callable[[Tensor], Tensor]]) -> None:
    gradient = random_gradients(1, 2)
    assert torch.allclose(build()(torch.cat([gradient, -3 * gradient])), torch.zeros(7), atol=1e-6)


@pytest.mark.parametrize("build", AGGREGATORS)
def test_two_conflicting_tasks_lose_what_conflicts(build: Callable[[], Callable[[Tensor], Tensor]]) -> None:
    one, other = torch.tensor([2.0, 0.0, 1.0]), torch.tensor([-1.0, 1.0, 0.5])
    projected_one = one - (one @ other) / (other @ other) * other
    projected_other = other - (one @ other) / (one @ one) * one
    assert abs(float(projected_one @ other)) < 1e-6
    assert abs(float(projected_other @ one)) < 1e-6
    assert torch.allclose(build()(torch.stack([one, other])), projected_one + projected_other, atol=1e-6)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_pcgrad_is_its_definition_in_one_of_its_orders(seed: int) -> None:
    gradients = random_gradients(3, seed, size=4).double()
    total = PCGrad()(gradients)
    choices = [[projected(gradients, task, order) for order in orders(task)] for task in range(3)]
    sums = [sum(chosen, torch.zeros(4, dtype=torch.float64)) for chosen in itertools.product(*choices)]
    assert any(torch.allclose(total, each, atol=1e-8) for each in sums)


def orders(task: int) -> list[tuple[int, ...]]:
    return list(itertools.permutations(other for other in range(3) if other != task))


def projected(gradients: Tensor, task: int, order: tuple[int, ...]) -> Tensor:
    """A gradient after losing what conflicts with the original gradients of others, in their order."""
    own = gradients[task].clone()
    for other in order:
        along = float(own @ gradients[other])
        if along < 0:
            own -= along / (gradients[other] @ gradients[other]) * gradients[other]
    return own


def explicit(gradients: Tensor, priorities: Tensor) -> Tensor:
    """The definition, on gradients instead of their Gramian, drawing the same random numbers."""
    tasks = len(gradients)
    tossed = torch.rand(tasks, tasks)
    total = torch.zeros_like(gradients[0])
    for task in range(tasks):
        own = gradients[task].clone()
        for other in torch.randperm(tasks).tolist():
            low, high = min(task, other), max(task, other)
            first_yields = tossed[low, high] < priorities[high] / (priorities[low] + priorities[high])
            yields = bool(first_yields) == (task == low)
            along = float(own @ gradients[other])
            if other != task and yields and along < 0:
                own -= along / (gradients[other] @ gradients[other]) * gradients[other]
        total += own
    return total


@given(tasks=st.integers(1, 6), seed=st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_the_gramian_is_enough(tasks: int, seed: int) -> None:
    gradients = random_gradients(tasks, seed).double()
    priorities = torch.rand(tasks, generator=torch.Generator().manual_seed(seed)) + 0.1
    with seeded(seed):
        found = WPCGrad(priorities)(gradients)
    with seeded(seed):
        assert torch.allclose(found, explicit(gradients, priorities))


@given(tasks=st.integers(2, 6), seed=st.integers(0, 10**6), favourite=st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_a_task_of_certain_priority_never_yields(tasks: int, seed: int, favourite: int) -> None:
    favourite %= tasks
    gradients = random_gradients(tasks, seed)
    gradients[[task for task in range(tasks) if task != favourite]] -= 2 * gradients[favourite]
    priorities = torch.zeros(tasks)
    priorities[favourite] = 1.0
    aggregator = WPCGrad(priorities)
    yields = aggregator.gramian_weighting._yields(tasks)
    assert not bool(yields[favourite].any())
    assert bool(yields[[task for task in range(tasks) if task != favourite], favourite].all())


def test_two_tasks_of_certain_priority_by_hand() -> None:
    gradients = torch.tensor([[1.0, 0.0], [-1.0, 1.0]])
    assert torch.allclose(WPCGrad(torch.tensor([1.0, 0.0]))(gradients), torch.tensor([1.0, 1.0]))
    assert torch.allclose(WPCGrad(torch.tensor([0.0, 1.0]))(gradients), torch.tensor([-0.5, 1.5]))


def test_equal_priorities_toss_a_coin() -> None:
    gradients = torch.tensor([[1.0, 0.0], [-1.0, 1.0]])
    with seeded(0):
        first = [bool(torch.allclose(WPCGrad()(gradients), torch.tensor([1.0, 1.0]))) for _ in range(400)]
    assert 160 < sum(first) < 240


def test_priorities_without_conflict_change_nothing() -> None:
    gradients = random_gradients(3, 5).abs()
    assert torch.allclose(WPCGrad(torch.tensor([5.0, 1.0, 0.0]))(gradients), gradients.sum(dim=0))
