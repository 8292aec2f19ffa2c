import math
from dataclasses import replace

import pytest
import torch
from tests.training.problems import QUICK, problem_for
from torch import nn

from cotrain.errors import InputError
from cotrain.problem.rows import Rows
from cotrain.problem.task import Task
from cotrain.training.balancing.backward import Backward
from cotrain.training.loop import train
from cotrain.training.optimizer import optimizer_of
from cotrain.training.run import Run
from cotrain.training.soft_sharing.cross_learning import CrossLearning, OwnNetworks, common, hold
from cotrain.training.subset_data import SubsetData
from cotrain.training.trainer import Trainer
from cotrain.training.untrained import untrained

SUBSET = ("a", "b", "c")
TASKS = (Task("a", "regression"), Task("b"), Task("c", "multiclass", classes=3))
SGD = replace(QUICK, optimizer="sgd", learning_rate=0.05, epochs=3)


class HeadsAsAlone(Backward):
    """Hard sharing in which heads learn as fast as they do alone: the mean over tasks is not theirs."""

    def forward(self, network: nn.Module, data: SubsetData, batch: Rows) -> torch.Tensor:
        loss = super().forward(network, data, batch)
        heads = network.get_submodule("heads")
        for parameter in heads.parameters():
            assert parameter.grad is not None
            parameter.grad *= len(data.tasks)
        return loss


def trainer(epochs: int = 3) -> Trainer:
    return Trainer(problem_for(TASKS, missing=0.0, training=replace(SGD, epochs=epochs)))


def outputs(network: torch.nn.Module, rows: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        found = network(rows)
    return found if isinstance(found, torch.Tensor) else torch.cat([found[name] for name in SUBSET], dim=1)


def test_a_radius_of_zero_is_hard_sharing() -> None:
    rows = torch.randn(20, 5, generator=torch.Generator().manual_seed(0))
    problem = problem_for(TASKS, missing=0.0, training=SGD)
    network = untrained(problem, (SUBSET, 0), torch.device("cpu"))
    run = Run(SUBSET, 0, network, optimizer_of(network.parameters(), SGD), HeadsAsAlone())
    joint = train(run, SubsetData.of(problem, SUBSET, torch.device("cpu")), SGD)
    shared = CrossLearning(radius=0.0).fit(trainer(), SUBSET)
    assert torch.allclose(outputs(shared.network, rows), outputs(joint.network, rows), atol=1e-5)


def test_an_infinite_radius_is_a_network_per_task() -> None:
    fit = CrossLearning(radius=math.inf).fit(trainer(epochs=1), SUBSET)
    rows = torch.randn(20, 5, generator=torch.Generator().manual_seed(0))
    alone = torch.cat([outputs(trainer(epochs=1).fit((name,)).network, rows) for name in SUBSET], dim=1)
    assert torch.allclose(outputs(fit.network, rows), alone, atol=1e-5)


@pytest.mark.parametrize("radius", [0.05, 0.3])
def test_weights_stay_within_the_radius(radius: float) -> None:
    network = CrossLearning(radius=radius).fit(trainer(), SUBSET).network
    assert isinstance(network, OwnNetworks)
    shared = common(list(network.networks), problem_for(TASKS).build(TASKS))
    assert [versions[0].shape for versions in shared] == [(8, 5), (8,)]
    flat = torch.stack([torch.cat([versions[task].flatten() for versions in shared]) for task in range(3)])
    apart = torch.cdist(flat.detach(), flat.detach()).max()
    assert radius < float(apart) <= 2 * radius * 1.001  # as far apart as points of one ball can be


def test_the_centre_stays_where_it_is() -> None:
    weights = [torch.nn.Parameter(torch.randn(4, generator=torch.Generator().manual_seed(n))) for n in range(2)]
    before = torch.stack(tuple(weights)).mean(dim=0)
    hold([weights], radius=0.1)
    assert torch.allclose(torch.stack(tuple(weights)).mean(dim=0), before, atol=1e-6)


def test_batches_without_a_label_of_some_task() -> None:
    problem = problem_for(TASKS, missing=0.0, training=SGD)
    problem.splits["train"].targets[2:, 0] = torch.nan
    assert bool(torch.tensor(CrossLearning(radius=0.1).fit(Trainer(problem), SUBSET).curve).isfinite().all())


def test_a_negative_radius_is_refused() -> None:
    with pytest.raises(InputError, match="`radius`"):
        CrossLearning(radius=-1.0)
