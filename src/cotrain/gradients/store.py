"""Gradients on disk: larger than memory, killed at any moment, grown by rows and by tasks."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor

from cotrain import checks
from cotrain.errors import InputError, MismatchError
from cotrain.gradients.bases import Basis
from cotrain.gradients.digests import Origin
from cotrain.gradients.manifest import StoreSpec, read_manifest, write_manifest
from cotrain.gradients.saved_basis import load_basis, save_basis
from cotrain.gradients.shards import (
    gaps,
    is_shard_name,
    list_shards,
    pieces_of,
    read_metadata,
    read_piece,
    shard_path,
    worth_merging,
    write_shard,
)
from cotrain.gradients.stored_gradients import StoredGradients
from cotrain.gradients.task_gradients import TaskGradients
from cotrain.problem.problem import Split

_MANIFEST = "manifest.json"
BASIS = "basis.safetensors"
_STALE_SECONDS = 3600.0
PathLike: TypeAlias = str | Path


class GradientStore:
    """Projected gradients and offsets of many tasks on disk.

    A folder per task holds safetensors files, one per range of the task's rows, each written whole or not at all. The
    files are the truth: they carry the spec, and ``manifest.json`` is rebuilt from them when it is lost. Appending
    rows, adding a task and dropping one touch no other file, and several processes may write at once; rows that two of
    them wrote count once.

    Use :meth:`create`, :meth:`open` or :meth:`open_or_create` rather than the constructor.

    Examples
    --------
    >>> from cotrain.gradients.bases.identity import Identity
    >>> spec = StoreSpec.of(torch.nn.Linear(3, 1), Identity({"weight": (1, 3)}))
    >>> rows = TaskGradients(torch.ones(4, 3), torch.zeros(4), torch.arange(4), "logistic")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = GradientStore.create(f"{folder}/gradients", spec)
    ...     store.append("train", "a", 0, rows, origin=Origin("", torch.zeros(4, dtype=torch.int64)))
    ...     store.tasks, store.missing("train", "a", total=6), len(store.read("train")["a"])
    (('a',), [range(4, 6)], 4)
    """

    def __init__(self, path: Path, spec: StoreSpec) -> None:
        self.path = path
        self.spec = spec

    def __repr__(self) -> str:
        return f"GradientStore('{self.path}': {len(self.tasks)} tasks, dimension {self.spec.dimension})"

    @classmethod
    def create(cls, path: PathLike, spec: StoreSpec) -> GradientStore:
        """Make an empty store in a new or empty folder.

        Raises
        ------
        InputError
            When the folder holds anything.
        """
        path = Path(path)
        if path.exists() and (not path.is_dir() or _visible(path)):
            raise InputError(
                f"`path` must be a new or an empty folder. '{path}' exists already; open it or choose another."
            )
        path.mkdir(parents=True, exist_ok=True)
        write_manifest(path / _MANIFEST, spec)
        return cls(path, spec)

    @classmethod
    def open(cls, path: PathLike, spec: StoreSpec | None = None) -> GradientStore:
        """Open a store, having checked every file of it.

        Parameters
        ----------
        path
            Its folder.
        spec
            What the gradients in use belong to; the store must have been made for the same.

        Raises
        ------
        MismatchError
            When the store, or one of its files, belongs to another spec; names the fields that differ.
        InputError
            When the folder holds no store, a damaged file, or files that are not the store's.
        """
        path = Path(path)
        specs = {metadata["spec"] for metadata in _all_metadata(_shard_files(path))}
        if not (path / _MANIFEST).exists():
            if not specs:
                raise InputError(f"`path` must hold a gradient store. '{path}' holds none.")
            write_manifest(path / _MANIFEST, StoreSpec.from_json(min(specs)))
        stored = read_manifest(path / _MANIFEST)
        for text in sorted(specs):
            StoreSpec.from_json(text).require(stored, path)
        if spec is not None:
            stored.require(spec, path)
        _sweep(path)
        return cls(path, stored)

    @classmethod
    def open_or_create(cls, path: PathLike, spec: StoreSpec) -> GradientStore:
        """Open the store at ``path``, or make it where there is none yet."""
        path = Path(path)
        return cls.open(path, spec) if path.exists() and _visible(path) else cls.create(path, spec)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks with rows, sorted."""
        folders = [item for item in _visible(self.path) if item.is_dir()]
        firsts = (next(_all_metadata(folder.glob("*.safetensors")), None) for folder in folders)
        return tuple(sorted(metadata["task"] for metadata in firsts if metadata))

    def keep_basis(self, basis: Basis) -> None:
        """Keep the basis beside the rows, unless it is there: tasks that come later need the very same."""
        self._check_basis(basis)
        if not (self.path / BASIS).exists():
            save_basis(self.path / BASIS, basis)

    @property
    def basis(self) -> Basis:
        """The basis of the stored rows, as :meth:`keep_basis` left it."""
        return self._check_basis(load_basis(self.path / BASIS))

    def append(self, split: Split, task: str, start: int, rows: TaskGradients, *, origin: Origin) -> None:
        """Store the rows ``start, start + 1, ...`` of a task; when it returns, they outlive a crash.

        Parameters
        ----------
        split, task
            Whose rows.
        start
            Position of the first of ``rows`` among the task's rows in the split.
        rows
            To be stored; features in the type of the spec.
        origin
            What they were computed from.
        """
        checks.at_least("start", start, 0)
        if rows.features.shape != (len(rows), self.spec.dimension) or len(origin.digests) != len(rows):
            raise InputError(
                f"`rows` and `origin` must have shapes (n, {self.spec.dimension}) and (n,). "
                f"Found {tuple(rows.features.shape)} and {tuple(origin.digests.shape)}."
            )
        if not len(rows):
            return
        block = {
            "features": rows.features.to(getattr(torch, self.spec.dtype)),
            "offset": rows.offset.float(),
            "sample": rows.sample.long(),
            "digest": origin.digests,
        }
        self._write(split, task, start, [block], rows.loss, origin.network)

    def missing(self, split: Split, task: str, total: int) -> list[range]:
        """Return which of a task's ``total`` rows are not stored."""
        return gaps(pieces_of(self._folder(task), split), total)

    def read(self, split: Split) -> Mapping[str, TaskGradients]:
        """Return the rows by task name, each task read from its memory-mapped file when it is asked for.

        A task whose rows lie in several files is joined in memory; :meth:`merge` makes them one.
        """
        folders = {name: self._folder(name) for name in self.tasks}
        return StoredGradients(split, {name: folder for name, folder in folders.items() if pieces_of(folder, split)})

    def require_origin(self, split: Split, task: str, origin: Origin) -> None:
        """Refuse to go on with a task whose stored rows came from another network or other data.

        Raises
        ------
        MismatchError
            Naming the task and the first row that differs.
        """
        for piece in pieces_of(self._folder(task), split):
            if read_metadata(piece.shard.path)["network"] != origin.network:
                raise self._mismatch(task, split, "the `network` (a head or a buffer)")
            rows = range(piece.start, piece.stop)
            if len(origin.digests) < piece.stop:
                raise self._mismatch(task, split, f"the data: rows {len(origin.digests)} to {piece.stop} are gone")
            changed = (read_piece(piece)["digest"] != origin.take(rows).digests).nonzero()
            if len(changed):
                raise self._mismatch(task, split, f"the data: the inputs or label of its row {rows[int(changed[0])]}")

    def merge(self, split: Split, task: str) -> None:
        """Bring a task's small files into one; a file with more than half of the rows is left alone."""
        folder = self._folder(task)
        with suppress(FileNotFoundError):  # another process merges the same files
            for run in worth_merging(pieces_of(folder, split)):
                metadata = read_metadata(run[0].shard.path)
                blocks = [read_piece(piece) for piece in run]
                self._write(split, task, run[0].start, blocks, metadata["loss"], metadata["network"])
        used = {piece.shard for piece in pieces_of(folder, split)}
        for shard in list_shards(folder, split):
            if shard not in used:
                shard.path.unlink(missing_ok=True)

    def drop_task(self, name: str) -> None:
        """Remove a task's rows of all splits; other tasks are not touched."""
        checks.one_of("name", name, self.tasks)
        bin_ = Path(tempfile.mkdtemp(prefix=".dropped-", dir=self.path))
        self._folder(name).rename(bin_ / "task")
        shutil.rmtree(bin_)

    def _write(
        self, split: Split, task: str, start: int, blocks: list[dict[str, Tensor]], loss: str, network: str
    ) -> None:
        stop = start + sum(len(block["offset"]) for block in blocks)
        metadata = {"spec": self.spec.to_json(), "task": task, "split": split, "start": str(start), "stop": str(stop)}
        path = shard_path(self._folder(task), split, start, stop)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_shard(path, blocks, {**metadata, "loss": loss, "network": network})

    def _check_basis(self, basis: Basis) -> Basis:
        if not self.spec.fits(basis):
            raise MismatchError(
                f"`basis` must be the one of the store '{self.path}', {dict(self.spec.basis)}: not {basis}."
            )
        return basis

    def _mismatch(self, task: str, split: Split, what: str) -> MismatchError:
        return MismatchError(
            f"The gradient store '{self.path}' was made for something else. Difference in the {split} rows of task "
            f"'{task}': {what}. Go back to what they were made from, drop the task, or choose a new folder."
        )

    def _folder(self, task: str) -> Path:
        return self.path / _folder_name(task)


def _folder_name(task: str) -> str:
    """Return a readable name that is safe and unique on every file system."""
    slug = re.sub(r"[^A-Za-z0-9]+", "-", task)[:40].strip("-")
    return f"{slug}-{hashlib.sha256(task.encode()).hexdigest()[:12]}"


def _visible(path: Path) -> list[Path]:
    return sorted(item for item in path.iterdir() if not item.name.startswith("."))


def _shard_files(path: Path) -> list[Path]:
    """Return all shards; refuse anything that a store would not have written."""
    if not path.is_dir():
        raise InputError(f"`path` must hold a gradient store. '{path}' is not a folder.")
    top = [item for item in _visible(path) if item.name not in (_MANIFEST, BASIS)]
    inside = [item for folder in top if folder.is_dir() for item in _visible(folder)]
    foreign = [item for item in top if not item.is_dir()] + [item for item in inside if not is_shard_name(item.name)]
    if foreign:
        raise InputError(
            f"`path` must hold nothing but its own store. Found a foreign file: '{foreign[0]}'. Move it away."
        )
    return inside


def _all_metadata(shards: Iterable[Path]) -> Iterator[dict[str, str]]:
    for shard in shards:
        with suppress(FileNotFoundError):  # merged or dropped by another process
            yield read_metadata(shard)


def _sweep(path: Path) -> None:
    """Remove what killed processes left behind long ago."""
    for item in [*path.glob(".dropped-*"), *path.rglob(".*.part")]:
        with suppress(FileNotFoundError):
            if time.time() - item.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(item) if item.is_dir() else item.unlink()
