import pytest
import torch
from torch import Tensor

from cotrain.problem.options import WEIGHTINGS
from cotrain.seeding import seeded
from cotrain.training.balancing.gradnorm import GradNorm
from cotrain.training.balancing.weighting import Scalarized, weighting_of

LOSSES = torch.tensor([1.0, 2.0, 5.0])


def norms() -> Tensor:
    return torch.tensor([1.0, 1.0, 4.0])


@pytest.mark.parametrize("name", [name for name in WEIGHTINGS if name != "random"])
def test_all_start_with_equal_weights(name: str) -> None:
    assert torch.allclose(weighting_of(name, 3)(LOSSES, norms), torch.ones(3))


def test_random_weights_have_a_mean_of_one() -> None:
    with seeded(3):
        first, second = (weighting_of("random", 3)(LOSSES, norms) for _ in range(2))
    assert float(first.mean()) == pytest.approx(1.0)
    assert not torch.allclose(first, second)


def test_uncertainty_weights_end_at_the_inverse_losses() -> None:
    weighting = weighting_of("uncertainty", 3)
    optimizer = torch.optim.SGD(weighting.parameters(), lr=0.1)
    for _ in range(500):
        optimizer.zero_grad()
        weights = weighting(LOSSES, norms)
        optimizer.step()
    assert torch.allclose(weights, 1 / LOSSES, rtol=1e-3)


def test_dynamic_weights_favour_what_falls_slowly() -> None:
    weighting = weighting_of("dwa", 2)
    for losses in ([1.0, 1.0], [1.0, 0.5]):
        weighting(torch.tensor(losses), norms)
        weighting.end_epoch()
    weights = weighting(torch.tensor([1.0, 0.5]), norms)
    expected = 2 * torch.softmax(torch.tensor([1.0, 0.5]) / 2, dim=0)
    assert torch.allclose(weights, expected)
    assert isinstance(weighting, Scalarized)
    assert not weighting.resumable


def test_gradnorm_evens_out_the_pulls() -> None:
    weighting, losses, pulls = GradNorm(3, alpha=0.0, rate=0.01), torch.ones(3), torch.tensor([1.0, 2.0, 4.0])
    for _ in range(2000):
        weights = weighting(losses, pulls)
    assert torch.allclose(weights * pulls, (weights * pulls).mean().expand(3), rtol=0.1)
    assert float(weighting.weights.mean()) == pytest.approx(1.0)


def test_gradnorm_lets_slow_tasks_pull_harder() -> None:
    weighting = GradNorm(2, alpha=1.0, rate=0.01)
    weighting(torch.tensor([1.0, 1.0]), torch.ones(2))
    for _ in range(500):
        weights = weighting(torch.tensor([0.9, 0.3]), torch.ones(2))
    assert float(weights[0] / weights[1]) == pytest.approx(3.0, rel=0.1)


def test_gradnorm_passes_over_a_task_without_a_label() -> None:
    weighting = GradNorm(3)
    weighting(torch.tensor([1.0, 0.0, 1.0]), torch.tensor([1.0, 0.0, 3.0]))
    assert bool(weighting.weights.isfinite().all())
    assert weighting.first.tolist() == [1.0, 0.0, 1.0]
    assert bool(weighting(torch.ones(3), norms()).isfinite().all())
    assert weighting.first.tolist() == [1.0, 1.0, 1.0]
