from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from cotrain.errors import InputError
from cotrain.models.mlp import SharedMLP
from cotrain.problem.options import NetworkOptions
from cotrain.problem.task import Task
from cotrain.training.serving import Service

A, B = Task("a", "regression", center=3.0, scale=2.0), Task("b")
C, D = Task("c", "multiclass", classes=3), Task("d", helper=True)
GROUPS = ((A, D), (A, B, C))
SERVING = {"b": 1, "a": 0, "c": 1}


def networks(dropout: float = 0.0) -> list[nn.Module]:
    torch.manual_seed(0)
    return [SharedMLP(4, group, NetworkOptions(hidden=(6,), dropout=dropout)) for group in GROUPS]


def rows(count: int = 7) -> Tensor:
    return torch.randn(count, 4, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def service() -> Service:
    return Service(GROUPS, networks(), SERVING)


def test_each_task_is_predicted_by_its_server(service: Service) -> None:
    first, second = (network(rows()) for network in networks())
    predicted = service.predict(rows())
    assert list(predicted) == ["b", "a", "c"]
    assert torch.allclose(predicted["a"], 3.0 + 2.0 * first[:, 0])
    assert torch.allclose(predicted["b"], torch.sigmoid(second[:, 1]))
    assert torch.allclose(predicted["c"], torch.softmax(second[:, 2:], dim=1))


def test_dropout_is_off_and_networks_stay_untouched() -> None:
    own = networks(dropout=0.5)
    service = Service(GROUPS, own, SERVING)
    assert torch.equal(service.predict(rows())["a"], service.predict(rows())["a"])
    assert all(network.training for network in own)


def test_a_network_that_serves_nobody_is_not_called() -> None:
    class Refuses(nn.Module):
        def forward(self, inputs: Tensor) -> Tensor:
            raise AssertionError(inputs)

    Service(GROUPS, [Refuses(), networks()[1]], {"a": 1}).predict(rows())


@pytest.mark.parametrize("serving", [{}, {"b": 0}, {"a": 2}, {"unknown": 0}])
def test_tasks_need_a_network_that_knows_them(serving: dict[str, int]) -> None:
    with pytest.raises(InputError, match="`serving`"):
        Service(GROUPS, networks(), serving)


def test_weights_go_to_one_file(service: Service, tmp_path: Path) -> None:
    service.save(tmp_path / "all.safetensors")
    kept = load_file(tmp_path / "all.safetensors")
    assert kept.keys() == service.state_dict().keys()
    assert all(torch.equal(kept[name], value) for name, value in service.state_dict().items())
    with pytest.raises(InputError, match="all"):
        service.save(tmp_path / "all.safetensors")


def test_the_exported_program_predicts_the_same_for_any_number_of_rows(service: Service, tmp_path: Path) -> None:
    service.export(tmp_path / "all.pt2", rows(3))
    program = torch.export.load(tmp_path / "all.pt2").module()
    for count in (1, 2, 9):
        expected = service.predict(rows(count))
        found = program(rows(count))
        assert found.keys() == expected.keys()
        assert all(torch.allclose(found[name], value, atol=1e-6) for name, value in expected.items())


class _Named(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(2, 1), nn.Linear(3, 1)

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"b": self.left(inputs["left"]) + self.right(inputs["right"])}


def test_named_inputs_are_exported_too(tmp_path: Path) -> None:
    service = Service([(B,)], [_Named()], {"b": 0})
    given = {"left": torch.randn(4, 2), "right": torch.randn(4, 3)}
    service.export(tmp_path / "named.pt2", given)
    found = torch.export.load(tmp_path / "named.pt2").module()(given)
    assert torch.allclose(found["b"], service.predict(given)["b"], atol=1e-6)
