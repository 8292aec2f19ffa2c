"""The store keeps what it was given, tells what is missing, and refuses what is not its own."""

from __future__ import annotations

import gc
import json
import os
import resource
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from cotrain.errors import InputError, MismatchError
from cotrain.gradients.digests import Origin
from cotrain.gradients.manifest import StoreSpec
from cotrain.gradients.store import GradientStore
from cotrain.gradients.task_gradients import TaskGradients

SPEC = StoreSpec("w0", {"trunk.weight": [2, 3]}, {"kind": "dense", "dimension": 4, "seed": 0}, "float32")


def rows(start: int, stop: int, *, seed: int = 0) -> TaskGradients:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(1000, 4, generator=generator)[start:stop]
    sample = torch.arange(start, stop) * 2
    return TaskGradients(features, features.sum(dim=1), sample, "square" if seed % 2 else "logistic")


def origin(start: int, stop: int, network: str = "n0") -> Origin:
    return Origin(network, torch.arange(start, stop))


def filled(path: Path, tasks: tuple[str, ...] = ("a", "b")) -> GradientStore:
    store = GradientStore.create(path, SPEC)
    for seed, task in enumerate(tasks):
        for start in (0, 10):
            store.append("train", task, start, rows(start, start + 10, seed=seed), origin=origin(start, start + 10))
    return store


def same(found: TaskGradients, expected: TaskGradients) -> bool:
    tensors = ((getattr(side, name) for name in ("features", "offset", "sample")) for side in (found, expected))
    return found.loss == expected.loss and all(torch.equal(*pair) for pair in zip(*tensors, strict=True))


def shard_files(store: GradientStore) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in store.path.rglob("*.safetensors")}


def test_what_was_appended_is_read_back(tmp_path: Path) -> None:
    store = GradientStore.open(filled(tmp_path / "s").path, SPEC)
    assert store.tasks == ("a", "b")
    read = store.read("train")
    assert list(read) == ["a", "b"]
    assert same(read["a"], rows(0, 20))
    assert same(read["b"], rows(0, 20, seed=1))
    assert len(store.read("validation")) == 0


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 12)), min_size=1, max_size=8), st.data())
def test_any_order_of_appends_and_merges_holds_each_row_once(
    tmp_path_factory: pytest.TempPathFactory, ranges: list[tuple[int, int]], data: st.DataObject
) -> None:
    store = GradientStore.create(tmp_path_factory.mktemp("s"), SPEC)
    for start, length in ranges:
        store.append("train", "a", start, rows(start, start + length), origin=origin(start, start + length))
        if data.draw(st.booleans()):
            store.merge("train", "a")
    stored = {row for start, length in ranges for row in range(start, start + length)}
    missing = {row for gap in store.missing("train", "a", total=45) for row in gap}
    assert missing == set(range(45)) - stored
    for gap in store.missing("train", "a", total=max(stored) + 1):
        store.append("train", "a", gap.start, rows(gap.start, gap.stop), origin=origin(gap.start, gap.stop))
    store.merge("train", "a")
    assert same(GradientStore.open(store.path).read("train")["a"], rows(0, max(stored) + 1))
    store.require_origin("train", "a", origin(0, 45))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_features_are_stored_in_the_type_of_the_spec(tmp_path: Path, dtype: str) -> None:
    store = GradientStore.create(tmp_path, replace(SPEC, dtype=dtype))
    store.append("train", "a", 0, rows(0, 5), origin=origin(0, 5))
    found = store.read("train")["a"]
    assert torch.equal(found.features, rows(0, 5).features.to(getattr(torch, dtype)))
    assert torch.equal(found.offset, rows(0, 5).offset)


def test_merging_leaves_one_file_and_the_same_rows(tmp_path: Path) -> None:
    store = GradientStore.create(tmp_path, SPEC)
    for start in range(0, 60, 10):
        store.append("train", "a", start, rows(start, start + 10), origin=origin(start, start + 10))
    store.merge("train", "a")
    assert len(shard_files(store)) == 1
    assert same(store.read("train")["a"], rows(0, 60))


def test_a_merge_killed_before_it_removes_the_parts_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = filled(tmp_path)
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        store.merge("train", "a")
    monkeypatch.undo()
    assert len(list(store.path.rglob("train-*"))) == 5
    assert same(GradientStore.open(tmp_path).read("train")["a"], rows(0, 20))
    store.merge("train", "a")
    assert len(list(store.path.rglob("train-*"))) == 3


def test_adding_rows_and_tasks_touches_no_other_file(tmp_path: Path) -> None:
    store = filled(tmp_path)
    store.merge("train", "a")
    before = shard_files(store)
    store.append("train", "c", 0, rows(0, 10), origin=origin(0, 10))
    store.append("train", "a", 20, rows(20, 25), origin=origin(20, 25))
    store.merge("train", "a")
    after = shard_files(store)
    assert before.items() <= after.items()
    assert len(after) == len(before) + 2
    assert same(store.read("train")["a"], rows(0, 25))


def test_dropping_a_task_leaves_the_rest_as_a_fresh_build_would_be(tmp_path: Path) -> None:
    store = filled(tmp_path / "dropped", ("a", "b", "c"))
    store.drop_task("b")
    fresh = GradientStore.create(tmp_path / "fresh", SPEC)
    for seed, task in ((0, "a"), (2, "c")):
        for start in (0, 10):
            fresh.append("train", task, start, rows(start, start + 10, seed=seed), origin=origin(start, start + 10))
    content = [
        {str(path.relative_to(side.path)): data for path, data in shard_files(side).items()} for side in (store, fresh)
    ]
    assert content[0] == content[1]
    assert GradientStore.open(store.path).tasks == ("a", "c")
    assert not list(store.path.glob(".dropped-*"))


def test_names_that_no_file_system_likes_are_tasks_too(tmp_path: Path) -> None:
    names = ("a/b", "a b", "A B", "../up", "ü" * 300, "", ".hidden", "train-000000000000-000000000001.safetensors")
    store = GradientStore.create(tmp_path / "s", SPEC)
    for seed, name in enumerate(names):
        store.append("train", name, 0, rows(0, 3, seed=seed), origin=origin(0, 3))
    read = GradientStore.open(store.path).read("train")
    assert sorted(read) == sorted(names)
    assert all(same(read[name], rows(0, 3, seed=seed)) for seed, name in enumerate(names))
    assert [item.name for item in tmp_path.iterdir()] == ["s"]


def test_a_lost_manifest_is_rebuilt_from_the_files(tmp_path: Path) -> None:
    store = filled(tmp_path)
    manifest = tmp_path / "manifest.json"
    before = json.loads(manifest.read_text())
    manifest.unlink()
    assert GradientStore.open(store.path, SPEC).spec == SPEC
    assert json.loads(manifest.read_text()) == before


def test_open_or_create_does_either(tmp_path: Path) -> None:
    first = GradientStore.open_or_create(tmp_path / "s", SPEC)
    first.append("train", "a", 0, rows(0, 3), origin=origin(0, 3))
    assert GradientStore.open_or_create(tmp_path / "s", SPEC).tasks == ("a",)


def test_old_leftovers_of_killed_writers_are_swept_and_young_ones_kept(tmp_path: Path) -> None:
    store = filled(tmp_path)
    folder = next(path.parent for path in shard_files(store))
    old, young = folder / ".x.1.part", folder / ".x.2.part"
    for part in (old, young):
        part.write_bytes(b"")
    os.utime(old, (0, 0))
    GradientStore.open(tmp_path)
    assert not old.exists()
    assert young.exists()


def test_a_hole_between_rows_is_refused_when_read(tmp_path: Path) -> None:
    store = GradientStore.create(tmp_path, SPEC)
    store.append("train", "a", 5, rows(5, 8), origin=origin(5, 8))
    with pytest.raises(InputError, match="`task` 'a' lacks its train rows 0 to 5"):
        store.read("train")["a"]


@pytest.mark.parametrize(
    ("other", "field"),
    [
        (replace(SPEC, weights="w1"), "`weights`"),
        (replace(SPEC, parameters={"trunk.weight": [2, 4]}), "`parameters.trunk.weight`"),
        (replace(SPEC, parameters={"trunk.weight": [2, 3], "b": [1]}), "`parameters.b`"),
        (replace(SPEC, basis={**SPEC.basis, "seed": 1}), "`basis.seed`"),
        (replace(SPEC, basis={**SPEC.basis, "kind": "identity"}), "`basis.kind`"),
        (replace(SPEC, basis={**SPEC.basis, "dimension": 5}), "`basis.dimension`"),
        (replace(SPEC, dtype="float16"), "`dtype`"),
        (replace(SPEC, format=SPEC.format + 1), "`format`"),
    ],
)
def test_another_spec_is_refused_by_field(tmp_path: Path, other: StoreSpec, field: str) -> None:
    store = filled(tmp_path)
    with pytest.raises(MismatchError, match=field) as caught:
        GradientStore.open(store.path, other)
    assert "choose a new folder" in str(caught.value)


@pytest.mark.parametrize(
    ("given_origin", "message"),
    [
        (origin(0, 20, "n1"), "train rows of task 'a': the `network`"),
        (Origin("n0", torch.arange(20).index_fill(0, torch.tensor(13), -1)), "inputs or label of its row 13"),
        (origin(0, 15), "rows 15 to 20 are gone"),
    ],
)
def test_rows_of_another_origin_are_refused(tmp_path: Path, given_origin: Origin, message: str) -> None:
    with pytest.raises(MismatchError, match=message):
        filled(tmp_path).require_origin("train", "a", given_origin)


def truncate(path: Path) -> None:
    shard = sorted(path.rglob("*.safetensors"))[0]
    shard.write_bytes(shard.read_bytes()[:-8])


def shorten_to_nothing(path: Path) -> None:
    sorted(path.rglob("*.safetensors"))[0].write_bytes(b"")


def add_foreign_file(path: Path) -> None:
    (path / "notes.txt").write_text("mine")


def add_foreign_file_to_a_task(path: Path) -> None:
    (sorted(path.rglob("*.safetensors"))[0].parent / "notes.txt").write_text("mine")


def add_foreign_tensors(path: Path) -> None:
    folder = sorted(path.rglob("*.safetensors"))[0].parent
    save_file({"x": torch.zeros(2)}, folder / "test-000000000000-000000000002.safetensors")


def mix_in_a_shard_of_another_store(path: Path) -> None:
    other = GradientStore(path, replace(SPEC, basis={**SPEC.basis, "seed": 7}))
    other.append("train", "z", 0, rows(0, 3), origin=origin(0, 3))


def corrupt_manifest(path: Path) -> None:
    (path / "manifest.json").write_text("{")


def remove_everything(path: Path) -> None:
    for shard in path.rglob("*.safetensors"):
        shard.unlink()
    (path / "manifest.json").unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (truncate, r"train-000000000000-000000000010\.safetensors' is truncated or damaged.*Delete that file"),
        (shorten_to_nothing, "is truncated or damaged"),
        (add_foreign_file, "foreign file: '.*notes.txt'"),
        (add_foreign_file_to_a_task, "foreign file: '.*notes.txt'"),
        (add_foreign_tensors, "foreign file: '.*test-0"),
        (mix_in_a_shard_of_another_store, "`basis.seed`"),
        (corrupt_manifest, "manifest.json' cannot be read"),
        (remove_everything, "holds none"),
    ],
)
def test_a_damaged_store_is_refused_by_name(tmp_path: Path, damage: Callable[[Path], None], message: str) -> None:
    filled(tmp_path)
    damage(tmp_path)
    with pytest.raises(InputError, match=message):
        GradientStore.open(tmp_path)


def test_bad_arguments_are_refused_by_name(tmp_path: Path) -> None:
    store = filled(tmp_path / "s")
    with pytest.raises(InputError, match="`path` must be a new or an empty folder"):
        GradientStore.create(store.path, SPEC)
    with pytest.raises(InputError, match="is not a folder"):
        GradientStore.open(tmp_path / "absent")
    with pytest.raises(InputError, match="`start` must be at least 0"):
        store.append("train", "a", -1, rows(0, 3), origin=origin(0, 3))
    with pytest.raises(InputError, match=r"shapes \(n, 4\) and \(n,\)"):
        store.append("train", "a", 20, rows(0, 3), origin=origin(0, 4))
    with pytest.raises(InputError, match=r"`name` must be one of 'a', 'b'\. Found 'c'"):
        store.drop_task("c")
    with pytest.raises(InputError, match="`dtype` must be one of"):
        replace(SPEC, dtype="float8")


def test_a_full_disk_is_refused_and_nothing_is_left_half_written(tmp_path: Path) -> None:
    store = filled(tmp_path)
    before = shard_files(store)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        with pytest.raises(InputError, match=r"`path` must have room.*Make room and run again"):
            store.append("train", "a", 20, rows(20, 500), origin=origin(20, 500))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert shard_files(store) == before
    assert not list(tmp_path.rglob(".*.part"))


@pytest.mark.skipif(sys.platform != "linux", reason="reads resident memory from /proc")
def test_reading_all_tasks_holds_one_at_a_time(tmp_path: Path) -> None:
    """24 tasks of 4 MiB: less than a sixth of the store is resident at any time."""
    store = GradientStore.create(tmp_path, replace(SPEC, basis={**SPEC.basis, "dimension": 256}))
    block = TaskGradients(torch.randn(4096, 256), torch.zeros(4096), torch.arange(4096), "square")
    for task in range(24):
        store.append("train", str(task), 0, block, origin=origin(0, 4096))
    del block
    gc.collect()

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    before, peak, total = resident(), 0, torch.zeros(())
    for task_rows in store.read("train").values():
        total = total + task_rows.features.sum()
        peak = max(peak, resident() - before)
    assert total.isfinite()
    assert peak < 24 * 4 * 2**20 / 6
