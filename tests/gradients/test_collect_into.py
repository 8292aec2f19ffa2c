"""Collecting into a store equals collecting at once, computes nothing twice, and survives kills."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cotrain.errors import InputError, MismatchError
from cotrain.gradients.bases.dense import DenseRandom
from cotrain.gradients.collect import collect
from cotrain.gradients.collect_into import collect_into
from cotrain.gradients.manifest import StoreSpec
from cotrain.gradients.parameters import parameter_shapes
from cotrain.gradients.store import GradientStore
from cotrain.problem.problem import Problem
from cotrain.problem.rows import Rows
from cotrain.problem.task import Task

NAMES = ("a", "b", "c")


class Network(nn.Module):
    """A trunk and one head per task; counts the rows it sees."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.trunk, self.heads = nn.Linear(5, 4), nn.Linear(4, 3)
        self.rows = 0
        for parameter in self.parameters():
            nn.init.normal_(parameter, generator=generator)

    def forward(self, inputs: Tensor) -> Tensor:
        self.rows += len(inputs)
        outputs: Tensor = self.heads(self.trunk(inputs).tanh())
        return outputs


def make_problem(rows: int = 50) -> Problem:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(200, 5, generator=generator)[:rows]
    targets = torch.randint(0, 2, (200, 3), generator=generator).float()[:rows]
    targets[::3, 2] = torch.nan
    part = Rows(inputs, targets)
    tasks = (Task("a"), Task("b"), Task("c", "regression"))
    return Problem(tasks, {"train": part, "validation": part, "test": part}, lambda _: Network())


def make_basis(network: nn.Module, seed: int = 0) -> DenseRandom:
    return DenseRandom(parameter_shapes(network, "trunk.*"), dimension=6, seed=seed)


def make_store(path: Path, network: nn.Module) -> GradientStore:
    return GradientStore.open_or_create(path, StoreSpec.of(network, make_basis(network)))


def files_of(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*.safetensors")}


def run(store: GradientStore, problem: Problem, network: nn.Module, **options: Any) -> None:
    options = {"split": "train", "basis": make_basis(network), "micro_batch": 8, **options}
    collect_into(store, problem, network, NAMES, options.pop("split"), options.pop("basis"), **options)


def assert_holds(store: GradientStore, problem: Problem, network: nn.Module) -> None:
    expected = collect(problem, network, NAMES, "train", make_basis(network), micro_batch=8)
    read = store.read("train")
    assert set(read) == set(expected)
    for name, rows in expected.items():
        assert read[name].loss == rows.loss
        for field in ("features", "offset", "sample"):
            assert torch.equal(getattr(read[name], field), getattr(rows, field))


def test_the_store_holds_what_collecting_at_once_returns(tmp_path: Path) -> None:
    network, problem = Network(), make_problem()
    store = make_store(tmp_path, network)
    run(store, problem, network)
    assert_holds(store, problem, network)


def test_the_store_keeps_its_basis_for_later_tasks(tmp_path: Path) -> None:
    network, problem = Network(), make_problem()
    store = make_store(tmp_path, network)
    run(store, problem, network, tasks=("a",))
    run(store, problem, network, basis=GradientStore.open(tmp_path).basis)
    assert_holds(store, problem, network)
    with pytest.raises(MismatchError, match="`basis` must be the one of the store"):
        store.keep_basis(make_basis(network, seed=1))


def test_a_second_run_computes_nothing(tmp_path: Path) -> None:
    network, problem = Network(), make_problem()
    store = make_store(tmp_path, network)
    run(store, problem, network)
    before, network.rows = files_of(tmp_path), 0
    run(store, problem, network)
    assert network.rows == 0
    assert files_of(tmp_path) == before


@pytest.mark.parametrize("added", ["a", "b", "c"])
def test_adding_a_task_costs_its_rows_alone_and_gives_a_fresh_build(tmp_path: Path, added: str) -> None:
    network, problem = Network(), make_problem()
    store, alone, fresh = (make_store(tmp_path / name, network) for name in ("grown", "alone", "fresh"))
    run(store, problem, network, tasks=set(NAMES) - {added})
    before, network.rows = files_of(store.path), 0
    run(store, problem, network)
    cost, network.rows = network.rows, 0
    run(alone, problem, network, tasks=(added,))
    assert network.rows == cost
    assert before.items() <= files_of(store.path).items()
    run(fresh, problem, network)
    assert files_of(store.path) == files_of(fresh.path)


def test_dropping_a_task_gives_a_fresh_build(tmp_path: Path) -> None:
    network, problem = Network(), make_problem()
    store, fresh = make_store(tmp_path / "dropped", network), make_store(tmp_path / "fresh", network)
    run(store, problem, network)
    store.drop_task("b")
    run(fresh, problem, network, tasks=("a", "c"))
    assert files_of(store.path) == files_of(fresh.path)


def test_more_rows_add_only_themselves(tmp_path: Path) -> None:
    network = Network()
    store = make_store(tmp_path, network)
    run(store, make_problem(48), network)
    before = files_of(tmp_path)
    run(store, make_problem(60), network)
    assert before.items() <= files_of(tmp_path).items()
    assert_holds(store, make_problem(60), network)


def test_another_micro_batch_fills_the_gaps(tmp_path: Path) -> None:
    network, problem = Network(), make_problem()
    store = make_store(tmp_path, network)
    run(store, problem, network, micro_batch=7)
    first = next(path for path in sorted(tmp_path.rglob("train-*")))
    first.unlink()
    run(store, problem, network, micro_batch=13)
    expected = collect(problem, network, NAMES, "train", make_basis(network))
    for name, rows in store.read("train").items():
        torch.testing.assert_close(rows.features, expected[name].features)
        assert torch.equal(rows.sample, expected[name].sample)


def test_a_changed_trunk_is_refused_by_the_weights(tmp_path: Path) -> None:
    network, problem = Network(), make_problem()
    store = make_store(tmp_path, network)
    run(store, problem, network)
    nn.init.zeros_(network.trunk.bias)
    with pytest.raises(MismatchError, match="`weights`"):
        run(store, problem, network)


def test_a_changed_head_is_refused_for_old_tasks_and_welcome_for_new_ones(tmp_path: Path) -> None:
    network, problem = Network(), make_problem()
    store = make_store(tmp_path, network)
    run(store, problem, network, tasks=("a",))
    nn.init.zeros_(network.heads.bias)
    with pytest.raises(MismatchError, match="task 'a': the `network`"):
        run(store, problem, network)
    run(store, problem, network, tasks=("b",))
    assert store.tasks == ("a", "b")


def test_another_basis_is_refused_by_field(tmp_path: Path) -> None:
    network, problem = Network(), make_problem()
    store = make_store(tmp_path, network)
    with pytest.raises(MismatchError, match=r"`basis.seed` \(stored: 0, in use: 1\)"):
        run(store, problem, network, basis=make_basis(network, seed=1))


@pytest.mark.parametrize("change", ["input", "label", "order"])
def test_changed_data_is_refused_with_the_row(tmp_path: Path, change: str) -> None:
    network, problem = Network(), make_problem()
    store = make_store(tmp_path, network)
    run(store, problem, network)
    rows = problem.splits["train"]
    assert isinstance(rows.inputs, Tensor)
    inputs, targets = rows.inputs.clone(), rows.targets.clone()
    if change == "input":
        inputs[4, 0] += 1
    elif change == "label":
        targets[4, 0] = 1 - targets[4, 0]
    else:
        inputs, targets = inputs.roll(1, dims=0), targets.roll(1, dims=0)
    changed = replace(problem, splits={**problem.splits, "train": Rows(inputs, targets)})
    with pytest.raises(MismatchError, match=f"its row {0 if change == 'order' else 4}"):
        run(store, changed, network, tasks=("a",))


def test_bad_arguments_are_refused_by_name(tmp_path: Path) -> None:
    network, problem = Network(), make_problem()
    store = make_store(tmp_path, network)
    with pytest.raises(InputError, match="`tasks` must be one of 'a', 'b', 'c'"):
        run(store, problem, network, tasks=("d",))
    with pytest.raises(InputError, match="`micro_batch` must be at least 1"):
        run(store, problem, network, micro_batch=0)
    rows = problem.splits["train"]
    targets = rows.targets.index_fill(1, torch.tensor(1), torch.nan)
    unlabelled = replace(problem, splits={**problem.splits, "train": Rows(rows.inputs, targets)})
    with pytest.raises(InputError, match=r"`tasks` must have observed labels in the split. Found none for \['b'\]"):
        run(store, unlabelled, network)


@pytest.mark.skipif(sys.platform == "win32", reason="forks and kills processes")
def test_twenty_kills_and_racing_writers_lose_and_double_nothing(tmp_path: Path) -> None:
    (tmp_path / "killed").mkdir()
    script = Path(__file__).with_name("killed_collection.py")
    done = subprocess.run([sys.executable, script, tmp_path], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
