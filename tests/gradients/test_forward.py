"""Forward mode: the gradients of the loop, whatever the labels and micro-batches, and only where it is cheaper."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from cotrain.gradients import collect, make_basis
from cotrain.gradients.bases import Basis, DenseRandom, Identity, KhatriRao
from cotrain.gradients.doctor import examine
from cotrain.gradients.engine import Engine
from cotrain.gradients.inference import inference
from cotrain.gradients.parameters import Shapes, parameter_shapes
from cotrain.gradients.paths.forward import ForwardPath
from cotrain.problem.rows import Rows
from cotrain.problem.task import Task

from .networks import COVERED, Bare, Branching, TiedTokens, rows_of, tokens
from .toys import MIXED, loop_gradients, problem_of, targets_for

NETWORKS = COVERED | {"bare": (Bare, lambda count: rows_of(count, 5, 4))}
BASES: dict[str, Callable[[Shapes], Basis]] = {
    "khatri-rao": lambda shapes: KhatriRao(shapes, dimension=9),
    "dense": lambda shapes: DenseRandom(shapes, dimension=5),
    "identity": Identity,
}


def network_and_rows(name: str, count: int, *, missing: float, seed: int) -> tuple[nn.Module, Rows]:
    build, inputs = NETWORKS[name]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = build().eval()
    return network, Rows(inputs(count), targets_for(MIXED, count, missing=missing, seed=seed))


def along_coordinates(network: nn.Module, basis: Basis, rows: Rows, at_once: int) -> tuple[Tensor, list[Tensor]]:
    with inference(network):
        started = ForwardPath(network, basis, MIXED).start(rows.inputs, rows.targets)
        return started.coordinates([0, 1, 2], at_once=at_once, dtype=torch.float32), started.margins


@settings(max_examples=12, deadline=None)
@given(
    name=st.sampled_from(sorted(NETWORKS)),
    kind=st.sampled_from(sorted(BASES)),
    count=st.integers(1, 6),
    missing=st.sampled_from([0.0, 0.4]),
    at_once=st.sampled_from([1, 4, 50]),
    seed=st.integers(0, 99),
)
def test_coordinates_are_those_of_the_loop(
    name: str, kind: str, count: int, missing: float, at_once: int, seed: int
) -> None:
    network, rows = network_and_rows(name, count, missing=missing, seed=seed)
    basis = BASES[kind](parameter_shapes(network))
    found, margins = along_coordinates(network, basis, rows, at_once)
    truth = loop_gradients(network, MIXED, rows, list(basis.shapes))
    for column, task in enumerate(MIXED):
        observed = rows.observed[:, column]
        gradients, offset = truth[task.name]
        expected, size = basis.apply(gradients), torch.cat([part.flatten() for part in gradients.values()]).norm()
        assert float((found[column][observed] - expected).norm()) <= 1e-5 * float(torch.maximum(size, expected.norm()))
        torch.testing.assert_close(margins[column][observed], offset, rtol=1e-5, atol=1e-6)


WIDE = tuple(Task(f"{number:03}") for number in range(150))


def wide(outputs: int = len(WIDE), width: int = 48) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(20, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, outputs))


def wide_rows(count: int = 400, missing: float = 0.0) -> Rows:
    return Rows(rows_of(count, 20), targets_for(WIDE, count, missing=missing))


def engine_of(tasks: int, dimension: int, rows: Rows | None = None) -> tuple[Engine, Rows]:
    network = wide(tasks)
    shared = (rows or wide_rows()).columns(list(range(tasks)))
    return Engine(network, WIDE[:tasks], KhatriRao(parameter_shapes(network), dimension=dimension), shared), shared


def operations(engine: Engine, rows: Rows) -> int:
    with FlopCounterMode(display=False) as counter:
        engine.run(rows, range(rows.targets.shape[1]))
    return int(counter.get_total_flops())


@pytest.mark.parametrize(("tasks", "dimension", "taken"), [(150, 10, True), (12, 10, False), (25, 120, False)])
def test_the_path_with_fewer_operations_is_taken(
    tasks: int, dimension: int, taken: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, rows = engine_of(tasks, dimension)
    assert engine.takes_forward(rows) is taken
    spent = operations(engine, rows)
    monkeypatch.setattr(Engine, "takes_forward", lambda *_: not taken)
    assert spent < operations(engine, rows)


def test_the_choice_changes_sides_where_the_costs_cross() -> None:
    engine, rows = engine_of(150, 10)
    found = engine.comparison
    assert found.forward is not None
    pays = [found.forward_pays(len(rows), tasks) for tasks in range(1, 151)]
    assert pays == sorted(pays)
    at = pays.index(True) + 1
    assert 2 < at < 150
    assert found.forward.total(len(rows), at) < found.by_task.total(len(rows), at)
    assert found.forward.total(len(rows), at - 1) >= found.by_task.total(len(rows), at - 1)
    assert not engine.takes_forward(rows.take(torch.arange(1)))


def test_rows_that_tasks_do_not_share_are_taken_task_by_task() -> None:
    engine, rows = engine_of(150, 10, wide_rows(missing=0.5))
    assert not engine.takes_forward(rows)


def test_collected_rows_do_not_depend_on_micro_batch_or_company() -> None:
    network, rows = wide(), wide_rows()
    names = tuple(task.name for task in WIDE)
    problem = problem_of(WIDE, rows.inputs, rows.targets)
    basis = make_basis("khatri-rao", problem, network, names, dim=10)
    together = collect(problem, network, names, "train", basis)
    alone = collect(problem, network, names, "train", basis, tasks=["007"])
    assert torch.equal(alone["007"].features, together["007"].features)
    other = collect(problem, network, names, "train", basis, micro_batch=150)
    for name in names:
        torch.testing.assert_close(other[name].features, together[name].features, rtol=1e-5, atol=1e-6)


def test_a_network_without_forward_mode_is_taken_task_by_task() -> None:
    torch.manual_seed(0)
    network = Branching().eval()
    engine = Engine(network, MIXED, Identity(parameter_shapes(network)), Rows(rows_of(6, 4), targets_for(MIXED, 6)))
    assert engine.comparison.forward_pays(6, 3) is False


def test_padding_that_backward_passes_leave_out_is_noticed() -> None:
    torch.manual_seed(0)
    network, rows = TiedTokens(), Rows(tokens(6), targets_for(MIXED, 6))
    engine = Engine(network, MIXED, KhatriRao(parameter_shapes(network), dimension=4), rows)
    assert engine.comparison.reason == "its derivatives differ from gradients"


class Opaque(torch.autograd.Function):
    """An operation with a backward rule alone."""

    @staticmethod
    def forward(ctx: object, values: Tensor) -> Tensor:  # noqa: ARG004
        return 2 * values

    @staticmethod
    def backward(ctx: object, *gradients: Tensor) -> Tensor:  # noqa: ARG004
        return 2 * gradients[0]


class Doubled(nn.Module):
    def forward(self, inputs: Tensor) -> Tensor:
        output: Tensor = Opaque.apply(inputs)  # type: ignore[no-untyped-call]
        return output


def test_an_operation_without_a_forward_rule_is_found_and_named() -> None:
    network = nn.Sequential(wide(), Doubled())
    engine = Engine(network, WIDE, KhatriRao(parameter_shapes(network), dimension=10), wide_rows())
    assert not engine.takes_forward(wide_rows())
    assert engine.comparison.forward is None
    assert "forward mode fails" in str(engine.comparison)


def test_the_doctor_says_so() -> None:
    rows = wide_rows()
    found = examine(problem_of(WIDE, rows.inputs, rows.targets), wide(), dim=10)
    assert set(found.paths.values()) == {"forward"}
    assert "forward path: 6 parameters" in found.text
    assert "operations a row" in found.text
    assert found.estimate is not None
