"""The affinity result: round trips and refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cotrain.affinity.affinity import Affinity
from cotrain.affinity.subset_losses import SubsetLosses
from cotrain.cost import Cost
from cotrain.errors import InputError


def _affinity() -> Affinity:
    losses = SubsetLosses.from_dict({("a",): {"a": 1.0}, ("b",): {"b": 1.0}, ("a", "b"): {"a": 0.9, "b": 1.1}})
    matrix, error = np.array([[0.0, 0.1], [-0.1, 0.0]]), np.full((2, 2), 0.01)
    counts = np.array([[1, 1], [1, 1]])
    return Affinity(("a", "b"), matrix, error, counts, "m", "gain", losses, Cost(1.0, 2.0, 3), ("careful",), "@x{}")


def test_save_and_load(tmp_path: Path) -> None:
    affinity, path = _affinity(), tmp_path / "affinity.npz"
    affinity.save(path)
    loaded = Affinity.load(path)
    np.testing.assert_array_equal(loaded.matrix, affinity.matrix)
    assert loaded.subset_losses is not None
    assert loaded.subset_losses.subsets == (("a",), ("b",), ("a", "b"))
    assert (loaded.cost, loaded.warnings, loaded.citation) == (affinity.cost, affinity.warnings, affinity.citation)
    with pytest.raises(InputError, match="exists already"):
        affinity.save(path)


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "losses.npz"
    losses = _affinity().subset_losses
    assert losses is not None
    losses.save(path)
    with pytest.raises(InputError, match="holds something else"):
        Affinity.load(path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match="damaged"):
        Affinity.load(path)
    with pytest.raises(InputError, match="does not exist"):
        Affinity.load(tmp_path / "absent.npz")


def test_with_tasks_reorders_everything() -> None:
    other = _affinity().with_tasks(["b", "a"])
    assert other.matrix.tolist() == [[0.0, -0.1], [0.1, 0.0]]
    assert other.subset_losses is not None
    assert other.subset_losses.tasks == ("b", "a")


@pytest.mark.parametrize(
    ("tasks", "matrix", "named"),
    [(["a", "a"], np.zeros((2, 2)), "`tasks` must not repeat"), (["a"], np.zeros((2, 2)), "`matrix` must have shape")],
)
def test_bad_affinities_are_refused(tasks: list[str], matrix: np.ndarray, named: str) -> None:
    with pytest.raises(InputError, match=named):
        Affinity.from_matrix(tasks, matrix)


def test_html_escapes_task_names() -> None:
    html = Affinity.from_matrix(["<script>", "b"], [[0, 1], [1, 0]])._repr_html_()
    assert "<script>" not in html


@pytest.mark.parametrize("tasks", [1, 2, 41, 300])
def test_html_stays_small_and_takes_unknown_entries(tasks: int) -> None:
    names = [f"<b>{number}</b>" for number in range(tasks)]
    html = Affinity.from_matrix(names, np.full((tasks, tasks), np.nan))._repr_html_()
    assert "<b>" not in html
    assert "?" in html
    assert len(html) < 100_000
