from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cotrain.errors import DivergedError, InputError
from cotrain.problem.options import TrainingOptions
from cotrain.problem.problem import SPLITS, Problem, Split
from cotrain.problem.rows import Rows
from cotrain.problem.task import Task
from cotrain.training.meta.meta_learning import MetaLearning, episode_loss
from cotrain.training.trainer import Trainer

TASK = Task("a", "regression")


class Slope(nn.Module):
    """One weight w; the output is w x."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[weight]]))

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs @ self.weight


SUPPORT = Rows(torch.tensor([[1.0]]), torch.tensor([[3.0]]))
QUERY = Rows(torch.tensor([[2.0]]), torch.tensor([[2.0]]))


def test_one_inner_step_by_hand() -> None:
    network = Slope(1.0)
    adapted = MetaLearning(inner_rate=0.1, inner_steps=1).adapt(network, TASK, SUPPORT)
    # loss (w - 3)^2, slope 2 (1 - 3) = -4, so w = 1 + 0.1 * 4
    assert adapted["weight"].item() == pytest.approx(1.4)
    assert network.weight.item() == 1.0
    # query loss (2 w' - 2)^2 at w' = 1.4
    assert float(episode_loss(network, adapted, TASK, QUERY).detach()) == pytest.approx(0.64)


@pytest.mark.parametrize(("method", "expected"), [("maml", 3.2 * 0.8), ("fomaml", 3.2), ("reptile", -0.4)])
def test_the_outer_gradient_by_hand(method: str, expected: float, monkeypatch: pytest.MonkeyPatch) -> None:
    # d (2 w' - 2)^2 / d w' = 4 (2 w' - 2) = 3.2, and d w' / d w = 1 - 0.1 * 2 = 0.8; Reptile: w - w'
    from cotrain.training.meta import meta_learning
    from cotrain.training.meta.episodes import Episode

    monkeypatch.setattr(meta_learning, "draw", lambda *_, **__: Episode(SUPPORT, QUERY))
    network = Slope(1.0)
    learner = MetaLearning(method, inner_rate=0.1, inner_steps=1)  # type: ignore[arg-type]
    learner.learn(network, sines(), TASK, seed=0, step=0, share=1.0)
    assert network.weight.grad is not None
    assert network.weight.grad.item() == pytest.approx(expected, rel=1e-5)


def sines(rows: int = 120) -> Problem:
    """Sines of one frequency and different phases: few rows tell which."""
    stream = torch.Generator().manual_seed(0)
    phases = torch.linspace(0, 2.5, 6)
    splits: dict[Split, Rows] = {}
    for split in SPLITS:
        inputs = 6 * torch.rand(rows, 1, generator=stream) - 3
        splits[split] = Rows(inputs, torch.sin(inputs + phases))
    tasks = tuple(Task(f"t{number}", "regression") for number in range(6))
    return Problem(tasks, splits, lambda _: nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 1)), TRAINING)


TRAINING = TrainingOptions()
GROUP = ("t0", "t1", "t2", "t4", "t5")


@pytest.mark.parametrize("method", ["maml", "fomaml", "reptile"])
def test_a_task_that_was_not_seen_adapts_better_than_from_anywhere(method: str) -> None:
    learner = MetaLearning(method, shots=10, steps=120, inner_steps=3, inner_rate=0.05)  # type: ignore[arg-type]
    learned, fresh = (replace(learner, steps=steps).fit(Trainer(sines()), GROUP) for steps in (120, 1))
    assert learned.judge("t3").mean() < 0.8 * fresh.judge("t3").mean()
    assert np.array_equal(learned.judge("t3"), learned.judge("t3"))


def test_what_cannot_be_learned_is_refused() -> None:
    with pytest.raises(InputError, match="`shots`"):
        MetaLearning(shots=100, queries=100).fit(Trainer(sines()), GROUP)
    with pytest.raises(InputError, match="`method`"):
        MetaLearning("anil")  # type: ignore[arg-type]
    mixed = replace(sines(), tasks=(Task("t0"), *sines().tasks[1:]))
    with pytest.raises(InputError, match="`group`"):
        MetaLearning(steps=1).fit(Trainer(mixed), ("t0", "t1"))
    with pytest.raises(DivergedError):
        MetaLearning(inner_rate=1e8, inner_steps=9, steps=3).fit(Trainer(sines()), GROUP)
