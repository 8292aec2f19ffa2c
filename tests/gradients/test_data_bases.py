import math
from typing import Literal

import pytest
import torch
from torch import nn

from cotrain.gradients import collect, make_basis
from cotrain.gradients.bases import Principal
from cotrain.gradients.captured import SideMoments
from cotrain.gradients.data_bases import draw_landmarks
from cotrain.gradients.factors import Values
from cotrain.gradients.pulls import task_pulls
from cotrain.gradients.row_gradient import Factored, Summed
from cotrain.problem.problem import Problem
from cotrain.problem.task import Task

from .networks import COVERED
from .toys import MIXED, problem_of, targets_for

SUBSET = ("a", "b", "c")


def network_and_problem(name: str, rows: int) -> tuple[nn.Module, Problem]:
    build, inputs = COVERED[name]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build()
    return network, problem_of(MIXED, inputs(rows), targets_for(MIXED, rows, missing=0.2))


def products(kind: str, network: nn.Module, problem: Problem, dim: int = 200) -> tuple[Principal, torch.Tensor]:
    basis = make_basis(kind, problem, network, SUBSET, dim=dim)  # type: ignore[arg-type]
    assert isinstance(basis, Principal)
    rows = collect(problem, network, SUBSET, "train", basis)
    features = torch.cat([rows[name].features for name in SUBSET])
    return basis, features @ features.T


@pytest.mark.parametrize("name", ["perceptron", "convolution 2d", "attention", "reused"])
def test_the_exact_basis_keeps_every_inner_product(name: str) -> None:
    network, problem = network_and_problem(name, 8)
    full = make_basis("identity", problem, network, SUBSET)
    rows = collect(problem, network, SUBSET, "train", full)
    features = torch.cat([rows[task].features for task in SUBSET])
    basis, found = products("exact", network, problem)
    torch.testing.assert_close(
        found, features @ features.T, rtol=1e-3, atol=1e-3 * float(features.square().sum(1).max())
    )
    assert basis.dimension <= len(features)


@pytest.mark.parametrize("kind", ["landmarks", "kronecker"])
@pytest.mark.parametrize("name", ["perceptron", "convolution 1d", "attention"])
def test_directions_are_orthonormal_and_lift_is_the_transpose(kind: str, name: str) -> None:
    network, problem = network_and_problem(name, 40)
    basis, _ = products(kind, network, problem, dim=12)
    lifted = [basis.lift(w) for w in torch.eye(basis.dimension)]
    stacked = {name: torch.stack([update[name] for update in lifted]) for name in basis.shapes}
    torch.testing.assert_close(basis.apply(stacked), torch.eye(basis.dimension), rtol=0, atol=1e-3)


def test_sides_are_as_wide_as_gradients_need_them() -> None:
    moments = SideMoments({"weight": (8, 8), "bias": (8,)})
    raw = torch.zeros(40, 0)
    above, below = torch.randn(40, 1, 1) * torch.ones(8), torch.randn(40, 1, 8)
    moments.add(raw, "weight", Factored(Values(above), Values(below)))
    moments.add(raw, "bias", Summed(Values(torch.randn(40, 1, 8))))
    moments.finish(raw)
    sides = moments.kronecker(8).sides
    assert {name: (left.shape[1], right.shape[1]) for name, (left, right) in sides.items()} == {
        "weight": (1, 8),
        "bias": (8, 1),
    }


@pytest.mark.parametrize("kind", ["landmarks", "kronecker", "auto"])
def test_what_is_measured_on_held_out_rows_is_true(kind: Literal["landmarks", "kronecker", "auto"]) -> None:
    network, problem = network_and_problem("perceptron", 60)
    basis = make_basis(kind, problem, network, SUBSET, dim=30)
    assert isinstance(basis, Principal)
    assert basis.fidelity is not None
    assert 0.5 < basis.energy <= 1.001
    kept = torch.cat([rows.features for rows in collect(problem, network, SUBSET, "train", basis).values()])
    full = make_basis("identity", problem, network, SUBSET)
    true = torch.cat([rows.features for rows in collect(problem, network, SUBSET, "train", full).values()])
    assert abs(float(kept.square().sum() / true.square().sum()) - basis.energy) < 0.15


def test_more_coordinates_keep_more() -> None:
    network, problem = network_and_problem("perceptron", 60)
    energies = [products("landmarks", network, problem, dim=dim)[0].energy for dim in (2, 8, 32)]
    assert energies == sorted(energies)


def test_every_task_gets_as_many_landmarks_and_none_is_held_out_twice() -> None:
    problem = problem_of(MIXED, torch.zeros(90, 1), targets_for(MIXED, 90, missing=0.3))
    drawn = draw_landmarks(problem.splits["train"], SUBSET, count=30, held_out=9, seed=0)
    assert [len(drawn.used[column]) for column in range(3)] == [10, 10, 10]
    for column in range(3):
        assert not set(drawn.used[column].tolist()) & set(drawn.held_out[column].tolist())
        assert bool(problem.splits["train"].observed[drawn.used[column], column].all())


def test_landmarks_of_a_task_do_not_depend_on_the_order_of_tasks() -> None:
    tasks = tuple(Task(name) for name in SUBSET)
    problem = problem_of(tasks, torch.zeros(50, 1), targets_for(tasks, 50))
    turned = problem.with_tasks(("c", "a", "b"))
    plain = draw_landmarks(problem.splits["train"], SUBSET, count=30, held_out=0, seed=0)
    other = draw_landmarks(turned.splits["train"], ("c", "a", "b"), count=30, held_out=0, seed=0)
    assert [torch.equal(plain.used[column], other.used[(column + 1) % 3]) for column in range(3)] == [True] * 3


def test_few_parameters_are_kept_as_they_are() -> None:
    network, problem = network_and_problem("perceptron", 10)
    entries = sum(math.prod(parameter.shape) for parameter in network.parameters())
    assert make_basis("auto", problem, network, SUBSET, dim=entries).kind == "identity"
    assert make_basis("auto", problem, network, SUBSET, dim=5).kind == "principal"


def test_pulls_lie_in_a_basis_that_has_room_for_them() -> None:
    network, problem = network_and_problem("perceptron", 60)
    basis, _ = products("landmarks", network, problem, dim=40)
    pulls = task_pulls(network, MIXED, problem.splits["train"], basis.shapes)
    kept = basis.apply(pulls).square().sum(dim=1)
    full = torch.stack([pull.flatten(1).square().sum(dim=1) for pull in pulls.values()]).sum(dim=0)
    assert float((kept / full).min()) > 0.99
