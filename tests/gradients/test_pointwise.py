import pytest
import torch
from torch import nn

from cotrain.gradients.bases import Identity, KhatriRao
from cotrain.gradients.engine import Engine
from cotrain.gradients.parameters import parameter_shapes
from cotrain.problem.rows import Rows
from cotrain.problem.task import Task

from .toys import loop_gradients

TASKS = tuple(Task(f"{number:02}") for number in range(24))


@pytest.mark.parametrize("positions", [(), (3,)])
def test_heads_of_many_tasks_agree_with_the_loop(positions: tuple[int, ...]) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        head = nn.Linear(8, 24)
        network = nn.Sequential(
            nn.Linear(5, 8), nn.Tanh(), head, *[nn.AvgPool2d((3, 1)), nn.Flatten()][: 2 * len(positions)]
        )
        rows = Rows(torch.randn(7, *positions, 5), (torch.rand(7, 24) > 0.5).float())
    shapes = parameter_shapes(network)
    truth = loop_gradients(network, TASKS, rows, list(shapes))
    for basis in (Identity(shapes), KhatriRao(shapes, dimension=9)):
        engine = Engine(network, TASKS, basis, rows)
        wanted = [0, 5, 23]
        for column, found in zip(wanted, engine.run(rows, wanted), strict=True):
            expected = basis.apply(truth[TASKS[column].name][0])
            torch.testing.assert_close(found.features, expected, rtol=1e-5, atol=1e-5 * float(expected.norm()))
