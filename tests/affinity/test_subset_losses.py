"""The table of subset losses: round trips, gains, refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotrain.affinity.subset_losses import SubsetLosses
from cotrain.errors import InputError


@st.composite
def tables(draw: st.DrawFn) -> SubsetLosses:
    tasks = draw(st.integers(1, 6))
    rows = draw(st.integers(1, 8))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    mask = rng.random((rows, tasks)) < 0.5
    mask[np.arange(rows), rng.integers(tasks, size=rows)] = True
    mask[rng.integers(rows, size=tasks), np.arange(tasks)] = True
    loss = np.where(mask, rng.uniform(0.1, 2, mask.shape), np.nan)
    error = np.where(mask, rng.uniform(0, 0.1, mask.shape), np.nan)
    source = rng.choice(["measured", "estimated"], size=rows)
    return SubsetLosses(tuple(f"task {i}" for i in range(tasks)), mask, loss, error, source)


def _same(left: SubsetLosses, right: SubsetLosses) -> None:
    right = right.with_tasks(left.tasks)
    for name in ("mask", "loss", "standard_error", "source"):
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name))


@settings(max_examples=30, deadline=None)
@given(table=tables(), suffix=st.sampled_from([".csv", ".parquet", ".npz"]))
def test_files_give_back_what_was_saved(
    table: SubsetLosses, suffix: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("tables") / f"losses{suffix}"
    table.save(path)
    _same(table, SubsetLosses.load(path))
    with pytest.raises(InputError, match="exists already"):
        table.save(path)
    table.save(path, overwrite=True)


@settings(max_examples=30, deadline=None)
@given(table=tables(), seed=st.integers(0, 50))
def test_reordering_tasks_reorders_everything(table: SubsetLosses, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(table.tasks))
    other = table.with_tasks([table.tasks[i] for i in order])
    assert other.subsets == table.subsets
    np.testing.assert_array_equal(other.gain(), table.gain()[:, order])


def test_with_fewer_tasks_keeps_only_subsets_inside() -> None:
    losses = SubsetLosses.from_dict(
        {("a",): {"a": 1.0}, ("a", "b"): {"a": 1.0, "b": 1.0}, ("b", "c"): {"b": 1, "c": 1}}
    )
    assert losses.with_tasks(["a", "b"]).subsets == (("a",), ("a", "b"))


def test_alone_is_the_mean_over_repeated_singles() -> None:
    once = SubsetLosses.from_dict({("a",): {"a": 1.0}, ("a", "b"): {"a": 1.0, "b": 3.0}})
    both = once + SubsetLosses.from_dict({("a",): {"a": 2.0}}, tasks=["a", "b"])
    assert both.alone[0] == 1.5
    assert np.isnan(both.alone[1])
    assert np.isnan(both.gain()[1, 1])


def test_a_table_from_elsewhere_needs_only_three_columns(tmp_path: Path) -> None:
    path = tmp_path / "losses.csv"
    pd.DataFrame({"subset": ["x", "x", "y"], "task": ["a", "b", "a"], "loss": [0.1, 0.2, 0.3]}).to_csv(path)
    losses = SubsetLosses.load(path)
    assert losses.subsets == (("a", "b"), ("a",))
    assert set(losses.source) == {"measured"}


@pytest.mark.parametrize(
    ("content", "named"),
    [("subset,task\n0,a\n", "Missing: loss"), (None, "does not exist")],
)
def test_bad_files_are_refused(tmp_path: Path, content: str | None, named: str) -> None:
    path = tmp_path / "losses.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=named):
        SubsetLosses.load(path)


def test_bad_suffix_and_pickles_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="`path` must be one of"):
        SubsetLosses.load(tmp_path / "losses.pkl")
    np.save(tmp_path / "evil.npy", np.array([object()]), allow_pickle=True)
    (tmp_path / "evil.npy").rename(tmp_path / "evil.npz")
    with pytest.raises(InputError, match="damaged or of another kind"):
        SubsetLosses.load(tmp_path / "evil.npz")


def test_losses_outside_the_mask_are_refused() -> None:
    mask = np.array([[True, False]])
    with pytest.raises(InputError, match="NaN outside `mask`"):
        SubsetLosses(("a", "b"), mask, np.ones((1, 2)), np.full((1, 2), np.nan), np.array(["measured"]))
    with pytest.raises(InputError, match="`loss` must have shape"):
        SubsetLosses(("a", "b"), mask, np.ones((2, 2)), np.full((1, 2), np.nan), np.array(["measured"]))
