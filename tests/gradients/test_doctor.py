import copy

import torch
from torch import Tensor, nn

from cotrain.gradients.doctor import examine
from cotrain.problem.problem import Problem
from cotrain.problem.rows import Inputs

from .networks import Bare, Doubled, TiedTokens, rows_of, tokens
from .toys import MIXED, problem_of, targets_for


def problem_with(inputs: Inputs, count: int = 8) -> Problem:
    return problem_of(MIXED, inputs, targets_for(MIXED, count))


def test_a_healthy_network_is_left_as_it_was() -> None:
    network = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.1), nn.Linear(6, 5))
    before = copy.deepcopy(network.state_dict())
    found = examine(problem_with(rows_of(8, 4)), network, dim=10)
    assert found.healthy
    assert {finding.where for finding in found.findings} == {("3",), ("1",)}
    assert set(found.paths.values()) == {"structured"}
    assert found.estimate is not None
    assert (found.estimate.gradients, found.estimate.disk) == (48, 48 * 11 * 4)
    assert network.training
    assert all(parameter.requires_grad and parameter.grad is None for parameter in network.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert "structured path: 6 parameters" in found.text


def test_slow_parameters_are_named_with_the_reason() -> None:
    found = examine(problem_with(rows_of(8, 5, 4)), Bare())
    frame = found.to_frame().set_index("parameter")
    assert frame.loc["token", "path"] == "general"
    assert frame.loc["place", "reason"] == "no layer rule covers it"
    assert frame.loc["inner.weight", "reason"] == ""
    assert "[slow] token: takes the general path" in found.text


def test_unused_parameters_are_named() -> None:
    network = nn.Sequential(nn.Linear(4, 5))
    network.register_parameter("spare", nn.Parameter(torch.ones(2)))
    assert "[note] spare: has no gradient" in examine(problem_with(rows_of(8, 4)), network).text


def test_batch_statistics_are_refused_by_the_layers_name() -> None:
    network = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5, track_running_stats=False))
    found = examine(problem_with(rows_of(8, 4)), network)
    assert not found.healthy
    assert found.findings[0].where == ("1",)
    assert found.estimate is None


def test_the_layer_that_mixes_rows_is_named() -> None:
    network = nn.Sequential(nn.Linear(4, 5), nn.Softmax(dim=0), nn.Linear(5, 5))
    found = examine(problem_with(rows_of(8, 4)), network)
    assert found.findings[0].severity == "refused"
    assert found.findings[0].where == ("1",)


def test_an_operation_without_a_backward_pass_is_refused_with_the_layer() -> None:
    found = examine(problem_with(rows_of(8, 4)), nn.Sequential(nn.Linear(4, 5), Doubled(), nn.Linear(5, 5)))
    assert not found.healthy
    assert "output of `1`" in found.text


class Masked(nn.Module):
    """Averages tokens with or without regard to padding."""

    def __init__(self, *, careful: bool) -> None:
        super().__init__()
        self.table, self.head, self.careful = nn.Embedding(7, 4, padding_idx=0), nn.Linear(4, 5), careful

    def forward(self, codes: Tensor) -> Tensor:
        hidden = self.table(codes)
        mean = hidden.sum(1) / (codes > 0).sum(1, keepdim=True).clamp_min(1) if self.careful else hidden.mean(1)
        output: Tensor = self.head(mean)
        return output


def test_padding_that_matters_is_reported() -> None:
    problem = problem_with(tokens(8))
    assert "outputs change with padding" in examine(problem, Masked(careful=False)).text
    assert "padding" not in examine(problem, Masked(careful=True)).text


def test_a_problem_is_examined_with_a_network_of_its_own() -> None:
    torch.manual_seed(0)
    problem = problem_of(MIXED, tokens(8), targets_for(MIXED, 8))
    own = Problem(problem.tasks, problem.splits, lambda _: TiedTokens())
    assert examine(own).paths["table.weight"] == "general"
