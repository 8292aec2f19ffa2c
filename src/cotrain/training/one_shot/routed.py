"""Several networks for the same tasks, of which each task uses one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from cotrain.problem.losses import split_outputs
from cotrain.problem.rows import Inputs
from cotrain.problem.task import Task


class Routed(nn.Module):
    """Returns every task's outputs from the network that it uses; networks without a task are dropped.

    Parameters
    ----------
    tasks
        In the order of each network's outputs.
    networks
        All for the same tasks.
    route
        Task name -> number of its network.
    """

    def __init__(self, tasks: Sequence[Task], networks: Sequence[nn.Module], route: Mapping[str, int]) -> None:
        super().__init__()
        used = sorted(set(route.values()))
        self.tasks = tuple(tasks)
        self.networks = nn.ModuleList(networks[number] for number in used)
        self.route = {name: used.index(number) for name, number in route.items()}

    def forward(self, inputs: Inputs) -> dict[str, Tensor]:
        """Return one tensor per task."""
        parts = [split_outputs(self.tasks, network(inputs)) for network in self.networks]
        return {task.name: parts[self.route[task.name]][task.name] for task in self.tasks}
