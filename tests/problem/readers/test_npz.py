"""The layouts of the development data, and files that hold something else."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cotrain.errors import InputError
from cotrain.problem import Problem
from cotrain.problem.readers.toml import read_recipe

from .examples import same_problem

FILES = [
    ("multilabel/yeast", 14, "binary", 2417),
    ("multilabel/scene", 6, "binary", 2407),
    ("multilabel/emotions", 6, "binary", 593),
    ("multilabel/medical", 25, "binary", 979),
    ("multilabel/flags", 7, "binary", 194),
    ("multilabel/enron", 47, "binary", 1702),
    ("multilabel/bibtex", 159, "binary", 7395),
    ("multilabel/delicious", 983, "binary", 16105),
    ("multitarget/rf1", 8, "regression", 9125),
    ("multitarget/wq", 14, "regression", 1060),
    ("multitarget/oes97", 16, "regression", 334),
    ("multitarget/atp1d", 6, "regression", 337),
    ("multitarget/jura", 3, "regression", 359),
    ("multitarget/enb", 2, "regression", 768),
    ("multitarget/slump", 3, "regression", 103),
    ("molecules/tox21", 12, "binary", 7823),
    ("molecules/clintox", 2, "binary", 1478),
    ("classic/landmine", 29, "binary", 14820),
    ("classic/school", 139, "regression", 15362),
    ("graph/com-youtube", 28, "binary", 4890),
    ("graph/com-dblp", 94, "binary", 10824),
    ("graph/blogcatalog", 39, "binary", 10312),
]


@pytest.mark.parametrize(("file", "tasks", "kind", "rows"), FILES)
def test_development_data_loads(shared: Path, file: str, tasks: int, kind: str, rows: int) -> None:
    problem = Problem.from_npz(shared / "data" / f"{file}.npz", unusable="drop")
    assert len(problem.tasks) == tasks
    assert {task.kind for task in problem.tasks} == {kind}
    assert abs(sum(map(len, problem.splits.values())) - rows) <= 1
    assert all(bool(part.inputs.isfinite().all()) for part in problem.splits.values())  # type: ignore[union-attr]
    assert all(bool(part.observed.any(dim=0).all()) for part in problem.splits.values())


def test_text_embeddings_use_the_declared_classes(shared: Path) -> None:
    problem = Problem.from_npz(shared / "data" / "text" / "text10.npz")
    assert [task.width for task in problem.tasks] == [6, 1, 1, 5, 1, 1, 1, 1, 4, 3]
    assert all(bool((part.observed.sum(dim=1) == 1).all()) for part in problem.splits.values())


def test_targets_without_positives_are_refused_by_default(shared: Path) -> None:
    with pytest.raises(InputError, match=r"must not be constant in the train rows.*'Class-20-V67_09'") as caught:
        Problem.from_npz(shared / "data" / "multilabel" / "medical.npz")
    assert "unusable='drop'" in str(caught.value)


def shared_inputs(path: Path, **changes: Any) -> Path:
    random = np.random.default_rng(0)
    X = random.integers(0, 2, (60, 5))
    arrays: dict[str, Any] = {"X": X, "Y": X[:, :2], "tasks": np.array(["a", "b"]), **changes}
    np.savez(path, **{name: value for name, value in arrays.items() if value is not None})
    return path


def test_packed_arrays_give_what_plain_ones_give(tmp_path: Path) -> None:
    plain = Problem.from_npz(shared_inputs(tmp_path / "data.npz"))
    with np.load(tmp_path / "data.npz") as archive:
        X, Y = archive["X"].astype(np.uint8), archive["Y"].astype(np.uint8)
    packed = {"X": None, "X_packed": np.packbits(X, axis=1), "n_features": 5, "Y": np.packbits(Y, axis=0), "n_rows": 60}
    again = Problem.from_npz(shared_inputs(tmp_path / "data.npz", **packed))
    assert same_problem(again, plain)


def test_own_data_gives_what_a_data_set_per_task_gives(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    X, task = random.normal(size=(90, 3)), random.integers(0, 2, 90)
    y = (X[:, 0] > 0).astype(np.int8)
    np.savez(tmp_path / "own.npz", X=X, y=y, task_id=task, tasks=np.array(["a", "b"]))
    own = {name: (X[task == i], y[task == i]) for i, name in enumerate("ab")}
    assert same_problem(Problem.from_npz(tmp_path / "own.npz"), Problem.from_datasets(own))


def test_chosen_targets_split_and_recipe(tmp_path: Path) -> None:
    parts = np.arange(60) // 4 % 3
    path = shared_inputs(tmp_path / "data.npz", split=parts, other=parts[::-1])
    problem = Problem.from_npz(path, targets=["b"], split="other")
    assert problem.names == ("b",)
    assert len(problem.splits["train"]) == int((parts == 0).sum())
    assert read_recipe(problem.recipe, tmp_path).fingerprint == problem.fingerprint
    assert Problem.from_npz(path, targets=["b"]).fingerprint != problem.fingerprint


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Y": None, "labels": [1]}, r"`path` must hold `tasks`, `X`.*holds \['X', 'labels', 'tasks'\]"),
        ({"X": None}, "`path` must hold `tasks`, `X`"),
        ({"tasks": np.array(["a", "a"])}, "`tasks` must not repeat a name"),
        ({"X": np.full((60, 5), np.nan)}, "`inputs` must be finite. Found NaN or infinity in 60 rows, first in row 1"),
        ({"X": np.ones((59, 5))}, "must have the same number of rows. Found 59 and 60"),
        ({"n_classes": np.array([2, 3]), "Y": np.full((60, 2), 7)}, r"must hold codes 0\.\.1. 'a' holds 7"),
        ({"split": np.zeros(60, int)}, "must give every split some rows"),
        ({"tasks": np.array(["a", "b"], dtype=object)}, "without pickled objects"),
    ],
)
def test_unfit_files(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Problem.from_npz(shared_inputs(tmp_path / "data.npz", **changes))


def test_damaged_and_missing_files(tmp_path: Path) -> None:
    (tmp_path / "data.npz").write_bytes(b"PK\x03\x04 not an archive")
    with pytest.raises(InputError, match="must be an NPZ file"):
        Problem.from_npz(tmp_path / "data.npz")
    with pytest.raises(InputError, match=r"does not exist. Did you mean 'data.npz'?"):
        Problem.from_npz(tmp_path / "date.npz")


def test_edges_are_not_left_out_in_silence(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    arrays: dict[str, Any] = {
        "X": X,
        "Y": X[:, :2] > 0,
        "tasks": np.array(["a", "b"]),
        "edges": rng.integers(60, size=(90, 2)),
    }
    np.savez(tmp_path / "graph.npz", **arrays)
    Problem.from_npz(tmp_path / "graph.npz")
    assert "`--hops`" in caplog.text
