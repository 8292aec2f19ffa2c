"""Tasks join and leave a store around one base network."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from cotrain.errors import InputError, MismatchError
from cotrain.gradients.base_store import Added, BaseStore
from cotrain.problem.options import TrainingOptions
from cotrain.problem.problem import Problem
from cotrain.problem.rows import Rows
from cotrain.problem.task import Task

TASKS = (Task("a"), Task("b"), Task("c", "regression"), Task("d"))


class OwnHeads(nn.Module):
    """A trunk with batch normalisation and a module per task."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU())
        self.heads = nn.ModuleDict({task.name: nn.Linear(4, 1) for task in tasks})

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.trunk(inputs)
        return torch.cat([head(hidden) for head in self.heads.values()], dim=1)


class OneHead(nn.Module):
    """A trunk and all heads in one weight."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        super().__init__()
        self.trunk, self.heads = nn.Linear(3, 4), nn.Linear(4, len(tasks))

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.heads(self.trunk(inputs).relu())
        return outputs


def problem(network: type[nn.Module] = OneHead, names: Sequence[str] = ("a", "b", "c", "d")) -> Problem:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(40, 3, generator=generator)
    targets = torch.stack([inputs[:, 0] > 0, inputs[:, 1] > 0, inputs[:, 2], inputs.sum(dim=1) > 0], dim=1).float()
    targets[::4, 3] = torch.nan
    rows = Rows(inputs, targets)
    splits = {"train": rows, "validation": rows.take(torch.arange(12)), "test": rows}
    return Problem(TASKS, splits, network, TrainingOptions(epochs=2)).with_tasks(names)  # type: ignore[arg-type]


def shards(store: BaseStore) -> dict[str, bytes]:
    folder = store.path / "gradients"
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.safetensors")}


def created(path: Path, network: type[nn.Module] = OneHead) -> tuple[BaseStore, list[Added]]:
    store = BaseStore.open_or_create(path / "store", base=("b", "a"), projection_dim=5)
    return store, list(store.add(problem(network), ("a", "b")))


@pytest.mark.parametrize("network", [OneHead, OwnHeads])
def test_a_task_costs_its_own_rows_alone(tmp_path: Path, network: type[nn.Module]) -> None:
    store, added = created(tmp_path, network)
    assert [(one.tasks, one.gradients) for one in added] == [(("a", "b"), 2 * 52)]
    before = shards(store)
    (later,) = store.add(problem(network), ("d",))
    assert (later.tasks, later.gradients) == (("d",), 30 + 9)
    assert later.cost.flops > 0
    assert before.items() <= shards(store).items()
    assert store.gradients.tasks == ("a", "b", "d")


def test_adding_in_any_order_gives_the_same_files(tmp_path: Path) -> None:
    store, _ = created(tmp_path)
    list(store.add(problem(), ("c",)))
    list(store.add(problem(), ("d",)))
    at_once = BaseStore.open_or_create(tmp_path / "at once", base=("a", "b"), projection_dim=5)
    list(at_once.add(problem(), ("d", "c", "b", "a")))
    assert shards(store) == shards(at_once)


def test_a_dropped_task_leaves_no_trace_and_may_come_back(tmp_path: Path) -> None:
    store, _ = created(tmp_path)
    before = shards(store)
    store.drop("a")
    assert store.gradients.tasks == ("b",)
    (again,) = store.add(problem(), ("a", "b"))
    assert again.gradients == 52
    assert shards(store) == before


def test_what_is_stored_is_not_done_again(tmp_path: Path) -> None:
    store, _ = created(tmp_path)
    (again,) = BaseStore.open_or_create(store.path, seed=0).add(problem(), ("a", "b"))
    assert (again.gradients, again.cost.flops) == (0, 0)


def test_a_store_that_was_killed_before_its_first_row_goes_on(tmp_path: Path) -> None:
    store, _ = created(tmp_path)
    before = shards(store)
    for path in (store.path / "gradients").rglob("*.safetensors"):
        path.unlink()
    (again,) = store.add(problem(), ("a", "b"))
    assert again.gradients == 104
    assert shards(store) == before


def test_a_changed_problem_is_refused(tmp_path: Path) -> None:
    store, _ = created(tmp_path)
    list(store.add(problem(), ("d",)))
    changed = problem()
    changed.splits["train"].targets[1, 3] = 1 - changed.splits["train"].targets[1, 3]
    with pytest.raises(MismatchError, match="problem"):
        list(store.add(changed, ("d",)))
    with pytest.raises(MismatchError, match="problem"):
        list(store.add(replace(problem(), training=TrainingOptions(epochs=3)), ("d",)))
    with pytest.raises(InputError, match="base"):
        list(store.add(problem(names=("b", "d")), ("d",)))


def test_bad_stores_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least two tasks"):
        BaseStore.open_or_create(tmp_path / "new", base=("a",))
    assert not (tmp_path / "new").exists()
    with pytest.raises(InputError, match="holds none"):
        BaseStore.open(tmp_path / "new")
    store, _ = created(tmp_path)
    with pytest.raises(MismatchError, match="`projection_dim`: 5, not 6"):
        BaseStore.open_or_create(store.path, projection_dim=6)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("mine")
    with pytest.raises(InputError, match="holds other files"):
        BaseStore.open_or_create(tmp_path / "other", base=("a", "b"))
    (store.path / "base.json").write_text("{")
    with pytest.raises(InputError, match="damaged"):
        BaseStore.open(store.path)


def test_a_network_without_a_trunk_is_refused(tmp_path: Path) -> None:
    class Bare(nn.Linear):
        def __init__(self, tasks: Sequence[Task]) -> None:
            super().__init__(3, len(tasks))

    store = BaseStore.open_or_create(tmp_path / "store", base=("a", "b"))
    with pytest.raises(InputError, match="a trunk"):
        list(store.add(problem(Bare), ("a", "b")))
