import torch

from cotrain.gradients.parameters import parameter_shapes
from cotrain.gradients.pulls import pull_directions, task_pulls
from cotrain.problem.losses import row_losses
from cotrain.problem.rows import Rows

from .networks import Reused, rows_of
from .toys import MIXED, targets_for


def test_pulls_are_the_gradients_of_the_tasks_mean_losses() -> None:
    torch.manual_seed(0)
    network = Reused().eval()
    rows = Rows(rows_of(300, 4), targets_for(MIXED, 300, missing=0.3))
    found = task_pulls(network, MIXED, rows, parameter_shapes(network))
    losses = row_losses(MIXED, network(rows.inputs), rows.targets).sum(dim=0) / rows.observed.sum(dim=0)
    for position, loss in enumerate(losses):
        network.zero_grad()
        loss.backward(retain_graph=True)
        for name, pulls in found.items():
            torch.testing.assert_close(pulls[position], network.get_parameter(name).grad, rtol=1e-4, atol=1e-6)


def test_some_pulls_are_those_of_all() -> None:
    torch.manual_seed(0)
    network = Reused().eval()
    rows, shapes = Rows(rows_of(40, 4), targets_for(MIXED, 40, missing=0.3)), parameter_shapes(network)
    every, last = task_pulls(network, MIXED, rows, shapes), task_pulls(network, MIXED, rows, shapes, wanted=[2])
    for name, pulls in last.items():
        torch.testing.assert_close(pulls[0], every[name][2])


def test_directions_of_enough_rank_add_up_to_the_pulls() -> None:
    shapes = {"weight": (3, 2), "bias": (3,), "scale": (4,)}
    pulls = {name: torch.randn(2, *shape) for name, shape in shapes.items()}
    directions = pull_directions(pulls, shapes, rank=3)
    assert directions.dimension == 6
    assert directions.parts["weight"].tensors["left"] is directions.parts["bias"].tensors["left"]
    for task, own in enumerate(torch.eye(2).repeat_interleave(3, dim=1)):
        for name, update in directions.lift(own).items():
            torch.testing.assert_close(update, pulls[name][task], rtol=1e-4, atol=1e-5)
