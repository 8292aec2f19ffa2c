import torch
from torch import Tensor, nn

from cotrain.models.mlp import SharedMLP
from cotrain.problem.options import NetworkOptions
from cotrain.problem.task import Task
from cotrain.training.balancing.sharing import shared_numbers, trained

TASKS = (Task("a"), Task("b", "multiclass", classes=3), Task("c", "regression"))


class Branched(nn.Module):
    """A shared layer, a layer that two tasks share, one head each; one task has a branch of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Linear(4, 5)
        self.pair = nn.Linear(5, 5)
        self.heads = nn.ModuleDict({task.name: nn.Linear(5, task.width) for task in TASKS})
        self.frozen = nn.Linear(5, 5).requires_grad_(False)

    def forward(self, inputs: Tensor) -> dict[str, Tensor]:
        trunk = torch.tanh(self.frozen(self.trunk(inputs)))
        pair = torch.tanh(self.pair(trunk))
        return {name: head(trunk if name == "c" else pair) for name, head in self.heads.items()}


def shared_names(network: nn.Module) -> dict[str, bool]:
    shared = shared_numbers(network, TASKS, torch.randn(6, 4, generator=torch.Generator().manual_seed(0)))
    sizes = [parameter.numel() for parameter in trained(network)]
    names = [name for name, parameter in network.named_parameters() if parameter.requires_grad]
    parts = dict(zip(names, torch.split(shared, sizes), strict=True))
    assert all(bool(part.all()) == bool(part.any()) for part in parts.values())
    return {name: bool(part.any()) for name, part in parts.items()}


def test_heads_in_one_matrix_are_not_shared() -> None:
    network = SharedMLP(4, TASKS, NetworkOptions(hidden=(5, 5)))
    assert shared_names(network) == {name: name.startswith("trunk") for name, _ in network.named_parameters()}


def test_heads_and_branches_of_their_own_are_not_shared() -> None:
    shared = {name for name, yes in shared_names(Branched()).items() if yes}
    assert shared == {"trunk.weight", "trunk.bias", "pair.weight", "pair.bias"}


def test_a_linear_model_shares_nothing() -> None:
    assert not any(shared_names(SharedMLP(4, TASKS, NetworkOptions(hidden=()))).values())


def test_a_matrix_with_as_many_rows_as_outputs_that_all_tasks_use_is_shared() -> None:
    assert shared_names(nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 5), nn.Linear(5, 5)))["1.weight"]
