from typing import Self

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from cotrain.errors import InputError
from cotrain.gradients.bases import Basis, DenseRandom, Identity, KhatriRao
from cotrain.gradients.engine import Engine
from cotrain.gradients.parameters import parameter_shapes
from cotrain.problem.rows import Rows

from .networks import COVERED, Bare, Branching, Doubled, TiedTokens, rows_of, tokens
from .toys import MIXED, loop_gradients, relative_error, targets_for


def network_and_rows(name: str, count: int, seed: int) -> tuple[nn.Module, Rows]:
    build, inputs = COVERED[name]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = build().eval()
    return network, Rows(inputs(count), targets_for(MIXED, count, seed=seed))


def check_against_loop(network: nn.Module, basis: Basis, rows: Rows) -> Engine:
    engine = Engine(network, MIXED, basis, rows)
    truth = loop_gradients(network, MIXED, rows, list(basis.shapes))
    for task, found in zip(MIXED, engine.run(rows, [0, 1, 2]), strict=True):
        gradients, offset = truth[task.name]
        expected = basis.apply(gradients)
        size = torch.cat([gradient.flatten() for gradient in gradients.values()]).norm()
        assert float((found.features - expected).norm()) < 1e-5 * float(torch.maximum(size, expected.norm()))
        assert relative_error(found.offset, offset) < 1e-5
    return engine


@pytest.mark.parametrize("name", COVERED)
def test_rules_cover_every_parameter_and_agree_with_the_loop(name: str) -> None:
    network, rows = network_and_rows(name, 5, seed=0)
    engine = check_against_loop(network, Identity(parameter_shapes(network)), rows)
    assert engine.plan.reasons == {}


@settings(max_examples=30, deadline=None)
@given(
    name=st.sampled_from(sorted(COVERED)),
    count=st.integers(1, 6),
    seed=st.integers(0, 999),
    dimension=st.sampled_from([1, 5, 40]),
)
def test_random_bases_agree_with_the_loop(name: str, count: int, seed: int, dimension: int) -> None:
    network, rows = network_and_rows(name, count, seed)
    shapes = parameter_shapes(network)
    check_against_loop(network, KhatriRao(shapes, dimension=dimension, seed=seed), rows)
    check_against_loop(network, DenseRandom(shapes, dimension=dimension, seed=seed), rows)


@pytest.mark.parametrize(
    ("build", "inputs", "general"),
    [(TiedTokens, tokens(4), ["table.weight"]), (Bare, rows_of(4, 5, 4), ["token", "place"])],
)
def test_what_rules_miss_goes_the_general_path(build: type[nn.Module], inputs: Tensor, general: list[str]) -> None:
    torch.manual_seed(0)
    network = build().eval()
    engine = check_against_loop(
        network, KhatriRao(parameter_shapes(network), dimension=9), Rows(inputs, targets_for(MIXED, 4))
    )
    assert sorted(engine.plan.names("general")) == sorted(general)
    assert sorted(engine.plan.reasons) == sorted(general)


def test_what_torch_cannot_vectorise_goes_through_the_loop() -> None:
    torch.manual_seed(0)
    network = Branching().eval()
    engine = check_against_loop(
        network, Identity(parameter_shapes(network)), Rows(rows_of(6, 4), targets_for(MIXED, 6))
    )
    assert "scale" in engine.plan.names("loop")
    assert "no layer rule covers it; general path" in engine.plan.reasons["scale"]


class AlwaysTraining(nn.BatchNorm1d):
    """Does not let itself be put into eval mode."""

    def train(self, mode: bool = True) -> Self:
        del mode
        return super().train()


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5, track_running_stats=False)), r"Layers \['1'\] normalise by"),
        (nn.Sequential(nn.Linear(4, 5), AlwaysTraining(5)), r"Layers \['1'\] normalise by.*eval mode, or GroupNorm"),
        (nn.Sequential(nn.Linear(4, 5), Doubled(), nn.Linear(5, 5)), "leads to the output of `1`.*choose `parameters`"),
        (nn.Sequential(nn.Linear(4, 5), nn.Softmax(dim=0)), "Rows of a batch influence each other"),
    ],
)
def test_networks_without_gradients_of_rows_are_refused(network: nn.Module, message: str) -> None:
    rows = Rows(rows_of(6, 4), targets_for(MIXED, 6))
    with pytest.raises(InputError, match=message):
        Engine(network, MIXED, Identity(parameter_shapes(network)), rows)


def test_parameters_after_an_operation_without_backward_are_fine() -> None:
    network = nn.Sequential(nn.Linear(4, 5), Doubled(), nn.Linear(5, 5)).eval()
    check_against_loop(network, Identity(parameter_shapes(network, "2.*")), Rows(rows_of(6, 4), targets_for(MIXED, 6)))


def test_a_network_trained_with_batch_norm_is_taken_in_eval_mode_and_given_back() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5)).train()
    rows, basis = Rows(rows_of(6, 4), targets_for(MIXED, 6)), Identity(parameter_shapes(network))
    found = Engine(network, MIXED, basis, rows).run(rows, [0])[0]
    assert network[1].training
    torch.testing.assert_close(found, Engine(network.eval(), MIXED, basis, rows).run(rows, [0])[0])


def test_fused_attention_is_off_while_gradients_are_taken_and_back_on_afterwards() -> None:
    """It bypasses the layers that own the parameters."""
    network, rows = network_and_rows("attention", 5, seed=0)
    seen: set[bool] = set()
    network.register_forward_pre_hook(lambda *_: seen.add(torch.backends.mha.get_fastpath_enabled()))
    engine = Engine(network, MIXED, Identity(parameter_shapes(network)), rows)
    engine.run(rows, [0, 1, 2])
    assert set(engine.plan.paths.values()) == {"structured"}
    assert seen == {False}
    assert torch.backends.mha.get_fastpath_enabled()
