"""Task vectors against cosines formed in full, from fine-tunings and from files."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tests.affinity.families import member, problem_of
from torch import Tensor

from cotrain.affinity.task_vectors import TaskVectors, compare_checkpoints
from cotrain.affinity.vectors.fine_tuning import FromBase, fine_tune
from cotrain.errors import InputError
from cotrain.training.layout import Layout
from cotrain.training.trainer import Trainer

State = dict[str, Tensor]


def _state(seed: int, *, columns: int = 1) -> State:
    stream = torch.Generator().manual_seed(seed)
    shapes = {"trunk.weight": (4, 3), "trunk.bias": (4,), "head.weight": (columns, 4)}
    return {name: torch.randn(shape, generator=stream) for name, shape in shapes.items()} | {"steps": torch.tensor(7)}


def _cosine(one: Tensor, other: Tensor) -> float:
    return float(one.double() @ other.double() / (one.double().norm() * other.double().norm()))


def _flat(state: State, base: State, names: list[str]) -> Tensor:
    return torch.cat([(state[name] - base[name]).flatten() for name in names])


def test_files_and_state_dicts_give_the_cosines_of_what_changed(tmp_path: Path) -> None:
    base, states = _state(0), {"a": _state(1), "b": _state(2), "c": _state(3, columns=2)}
    for name, state in {**states, "base": base}.items():
        save_file(state, tmp_path / f"{name}.safetensors")
    in_memory = compare_checkpoints(states, base)
    files = {name: tmp_path / f"{name}.safetensors" for name in states}
    from_files = compare_checkpoints(files, str(tmp_path / "base.safetensors"))
    names = ["trunk.weight", "trunk.bias"]  # one head has another shape, so heads are not shared
    expected = _cosine(_flat(states["a"], base, names), _flat(states["b"], base, names))
    assert in_memory.to_frame().loc["a", "b"] == pytest.approx(expected)
    np.testing.assert_allclose(in_memory.matrix, from_files.matrix)
    assert (in_memory.matrix.diagonal() == 0).all()


def test_excluded_names_are_left_out() -> None:
    base, one, other = _state(0), _state(1), _state(2)
    found = compare_checkpoints({"a": one, "b": other}, base, exclude=("head.*",)).matrix[0, 1]
    names = ["trunk.weight", "trunk.bias"]
    assert found == pytest.approx(_cosine(_flat(one, base, names), _flat(other, base, names)))


def test_low_rank_adapters_count_as_their_products_whatever_their_ranks() -> None:
    stream = torch.Generator().manual_seed(0)
    factors = {
        task: {
            "layer.lora_A.weight": torch.randn(rank, 5, generator=stream),
            "layer.lora_B.weight": torch.randn(6, rank, generator=stream),
        }
        for task, rank in (("a", 2), ("b", 3))
    }
    products = [state["layer.lora_B.weight"] @ state["layer.lora_A.weight"] for state in factors.values()]
    expected = _cosine(products[0].flatten(), products[1].flatten())
    assert compare_checkpoints(factors).matrix[0, 1] == pytest.approx(expected)
    mixed = torch.linalg.qr(torch.randn(2, 2, generator=stream)).Q
    turned = {
        "layer.lora_A.weight": mixed.T @ factors["a"]["layer.lora_A.weight"],
        "layer.lora_B.weight": factors["a"]["layer.lora_B.weight"] @ mixed,
    }
    assert compare_checkpoints({"a": factors["a"], "turned": turned}).matrix[0, 1] == pytest.approx(1.0)


def test_fine_tuning_starts_at_the_base() -> None:
    problem = problem_of([member("x", 0), member("y", 1)])
    trainer = Trainer(problem)
    base = trainer.fit(("x", "y"))
    build = FromBase(problem.build, Layout(problem.tasks_of(base.subset), base.network))
    network = build(problem.tasks_of(("y",)))
    inputs = problem.splits["train"].inputs
    torch.testing.assert_close(network(inputs)[:, 0], base.network(inputs)[:, 1])
    moved = fine_tune(problem, trainer, base.network, base.subset, epochs=1, seed=0, label="short")
    assert [fit.subset for fit in moved] == [("x",), ("y",)]
    assert all(fit.steps == 5 for fit in moved)


def test_the_family_pulls_together() -> None:
    names = ["x", "p", "y", "q"]
    problem = problem_of([member(name, int(name in "pq")) for name in names])
    affinity = TaskVectors(bases=3, epochs=3).estimate(problem, Trainer(problem))
    best = (affinity.matrix - np.eye(4)).argmax(axis=1)
    assert [names[place] for place in best] == ["y", "q", "x", "p"]
    assert np.isfinite(affinity.standard_error).all()
    assert affinity.cost.trainings == 3 * 4


def test_starting_from_a_trained_network_costs_its_training() -> None:
    problem = problem_of([member("x", 0), member("y", 0)])
    affinity = TaskVectors(bases=1, epochs=1, start="all-in-one").estimate(problem, Trainer(problem))
    assert affinity.cost.trainings == 1 + 2
    assert (affinity.matrix == affinity.matrix.T).all()


def test_fine_tunings_are_kept_and_recalled(tmp_path: Path) -> None:
    problem = problem_of([member("x", 0), member("y", 1)])
    first = TaskVectors(bases=1).estimate(problem, Trainer(problem, folder=tmp_path))
    kept = sorted(path.name for path in (tmp_path / "fine-tuned-3-epochs-from-built" / "seed-0").rglob("*.safetensors"))
    assert len(kept) == 2
    second = TaskVectors(bases=1).estimate(problem, Trainer(problem, folder=tmp_path))
    np.testing.assert_array_equal(first.matrix, second.matrix)


def test_checkpoints_need_no_training(tmp_path: Path) -> None:
    problem = problem_of([member("x", 0), member("y", 1)])
    files = {}
    for number, name in enumerate(("y", "x", "unused")):
        files[name] = tmp_path / f"{name}.safetensors"
        save_file(_state(number), files[name])
    affinity = TaskVectors(checkpoints=files).estimate(problem, Trainer(problem))
    assert affinity.tasks == ("x", "y")
    assert affinity.cost.trainings == 0


def test_files_that_cannot_be_used_are_refused_together(tmp_path: Path) -> None:
    pickled = tmp_path / "b.pt"
    pickled.write_bytes(pickle.dumps({"trunk.weight": [1.0]}))
    with pytest.raises(InputError, match="never read") as raised:
        compare_checkpoints({"a": tmp_path / "absent.safetensors", "b": pickled}, _state(0))
    assert len(raised.value.problems) == 2


def test_checkpoints_that_share_or_change_nothing_are_refused() -> None:
    with pytest.raises(InputError, match="in common"):
        compare_checkpoints({"a": {"v": torch.ones(2)}, "b": {"w": torch.ones(2)}})
    with pytest.raises(InputError, match=r"no difference for \['b'\]"):
        compare_checkpoints({"a": _state(1), "b": _state(0)}, _state(0))
    problem = problem_of([member("x", 0), member("y", 1)])
    with pytest.raises(InputError, match=r"Missing: \['y'\]"):
        TaskVectors(checkpoints={"x": "x.safetensors"}).estimate(problem, Trainer(problem))


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"bases": 0}, "`bases`"),
        ({"epochs": 0}, "`epochs`"),
        ({"start": "x"}, "`start`"),
        ({"base": "b"}, "`checkpoints`"),
    ],
)
def test_bad_parameters_are_refused(options: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        TaskVectors(**options)
