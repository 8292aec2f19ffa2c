import torch

from cotrain.gradients.parameters import parameter_shapes
from cotrain.gradients.pulls import task_pulls
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
