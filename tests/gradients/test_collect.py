import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.func import functional_call, jvp

from cotrain.errors import InputError
from cotrain.gradients import collect, make_basis, margins, parameter_shapes, stream
from cotrain.gradients.choose_basis import BasisKind
from cotrain.problem.rows import Rows

from .toys import MIXED, loop_gradients, problem_of, relative_error, targets_for

SUBSET = ("a", "b", "c")


def network_of(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Dropout(0.5), nn.Linear(6, 5))


def rows_of(count: int = 11, missing: float = 0.3) -> Rows:
    return Rows(
        torch.randn(count, 4, generator=torch.Generator().manual_seed(1)), targets_for(MIXED, count, missing=missing)
    )


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 99), missing=st.sampled_from([0.0, 0.5]), kind=st.sampled_from(["identity", "dense"]))
def test_rows_are_those_of_the_loop(seed: int, missing: float, kind: BasisKind) -> None:
    network, rows = network_of(seed), rows_of(missing=missing)
    problem = problem_of(MIXED, rows.inputs, rows.targets)
    basis = make_basis(kind, problem, network, SUBSET, dim=8)
    found = collect(problem, network, SUBSET, "train", basis)
    truth = loop_gradients(network.eval(), MIXED, rows, list(basis.shapes))
    for name in SUBSET:
        gradients, offset = truth[name]
        assert relative_error(found[name].features, basis.apply(gradients)) < 1e-5
        assert relative_error(found[name].offset, offset) < 1e-5


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")
@pytest.mark.parametrize("kind", ["identity", "dense"])
def test_coordinates_and_lift_are_transposes(kind: BasisKind) -> None:
    """g'(P w) = (P'g)' w, with the left side by forward-mode differentiation along the lifted update."""
    network, rows = network_of().eval(), rows_of(missing=0.0)
    problem = problem_of(MIXED, rows.inputs, rows.targets)
    basis = make_basis(kind, problem, network, SUBSET, dim=8)
    w = torch.randn(basis.dimension, generator=torch.Generator().manual_seed(2))
    parameters = {name: network.get_parameter(name).detach() for name in basis.shapes}

    def all_margins(moved: dict[str, torch.Tensor]) -> torch.Tensor:
        return margins(MIXED, functional_call(network, moved, (rows.inputs,)), rows.targets)

    along = jvp(all_margins, (parameters,), (basis.lift(w),))[1]
    found = collect(problem, network, SUBSET, "train", basis)
    for column, name in enumerate(SUBSET):
        torch.testing.assert_close(found[name].features @ w, along[:, column], rtol=1e-4, atol=1e-5)


@settings(max_examples=8, deadline=None)
@given(micro_batch=st.integers(1, 12), order=st.permutations(range(11)))
def test_neither_micro_batch_nor_order_matters(micro_batch: int, order: list[int]) -> None:
    network, rows = network_of(), rows_of()
    problem = problem_of(MIXED, rows.inputs, rows.targets)
    basis = make_basis("dense", problem, network, SUBSET, dim=8)
    plain = collect(problem, network, SUBSET, "train", basis)
    moved = rows.take(torch.tensor(order))
    other = collect(
        problem_of(MIXED, moved.inputs, moved.targets), network, SUBSET, "train", basis, micro_batch=micro_batch
    )
    for name in SUBSET:
        back = torch.tensor(order)[other[name].sample].argsort()
        torch.testing.assert_close(other[name].features[back], plain[name].features, rtol=1e-5, atol=1e-6)


def test_a_task_alone_is_the_same_to_the_last_bit() -> None:
    network, rows = network_of(), rows_of()
    problem = problem_of(MIXED, rows.inputs, rows.targets)
    basis = make_basis("dense", problem, network, SUBSET, dim=8)
    together = collect(problem, network, SUBSET, "train", basis, micro_batch=4)
    alone = collect(problem, network, SUBSET, "train", basis, micro_batch=4, tasks=["b"])
    assert list(alone) == ["b"]
    assert torch.equal(alone["b"].features, together["b"].features)
    assert torch.equal(alone["b"].sample, rows.observed[:, 1].nonzero()[:, 0])


def test_network_and_random_state_are_left_alone() -> None:
    network, rows = network_of(), rows_of()
    network[0].requires_grad_(False)
    network[3].eval()
    before, state = copy.deepcopy(network.state_dict()), torch.get_rng_state()
    problem = problem_of(MIXED, rows.inputs, rows.targets)
    basis = make_basis("identity", problem, network, SUBSET)
    assert list(basis.shapes) == ["3.weight", "3.bias"]
    for _ in stream(problem, network, SUBSET, "train", basis, micro_batch=3):
        assert network.training
    assert [module.training for module in network] == [True, True, True, False]
    assert [p.requires_grad for p in network.parameters()] == [False, False, True, True]
    assert all(p.grad is None for p in network.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert torch.equal(state, torch.get_rng_state())


def test_half_precision_is_summed_in_single() -> None:
    network, rows = network_of(), rows_of(missing=0.0)
    problem = problem_of(MIXED, rows.inputs, rows.targets)
    basis = make_basis("identity", problem, network, SUBSET)
    exact = collect(problem, network, SUBSET, "train", basis)["a"].features
    halved = problem_of(MIXED, rows.inputs.bfloat16(), rows.targets)  # type: ignore[union-attr]
    found = collect(halved, network.bfloat16(), SUBSET, "train", basis)["a"].features
    assert found.dtype == torch.float32
    assert relative_error(found, exact) < 0.03


@pytest.mark.parametrize(
    ("patterns", "names"),
    [("*", ["0.weight", "0.bias", "1.weight"]), (("*", "!*.bias"), ["0.weight", "1.weight"]), ("1.*", ["1.weight"])],
)
def test_parameters_are_chosen_by_pattern_and_shared_ones_count_once(patterns: str, names: list[str]) -> None:
    network = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
    network[2].weight = network[1].weight
    assert list(parameter_shapes(network, patterns)) == names


@pytest.mark.parametrize(("patterns", "message"), [("head*", "Nothing matches 'head"), (("*", "!*"), "leaves none")])
def test_patterns_that_choose_nothing_are_refused(patterns: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parameter_shapes(nn.Linear(2, 1), patterns)


def test_misuse_is_refused() -> None:
    network, rows = network_of(), rows_of()
    problem = problem_of(MIXED, rows.inputs, rows.targets)
    foreign = make_basis("identity", problem, nn.Linear(2, 2), SUBSET)
    with pytest.raises(InputError, match="`basis` must be made for this network"):
        collect(problem, network, SUBSET, "train", foreign)
    basis = make_basis("identity", problem, network, SUBSET)
    with pytest.raises(InputError, match="`tasks` must be one of"):
        collect(problem, network, SUBSET, "train", basis, tasks=["d"])
    with pytest.raises(InputError, match="`micro_batch` must be at least 1"):
        collect(problem, network, SUBSET, "train", basis, micro_batch=0)
    empty = problem_of(MIXED, rows.inputs, rows.targets.index_fill(1, torch.tensor([0]), float("nan")))
    with pytest.raises(InputError, match=r"Found none for \['a'\]"):
        collect(empty, network, SUBSET, "train", basis)
