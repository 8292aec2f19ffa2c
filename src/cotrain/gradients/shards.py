"""Shards: safetensors files that each hold a range of one task's rows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from cotrain import files
from cotrain.errors import InputError
from cotrain.gradients.digests import raw_bytes
from cotrain.problem.problem import Split

_NAME = re.compile(r"(?P<split>train|validation|test)-(?P<start>\d{12})-(?P<stop>\d{12})\.safetensors")
_TYPES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64"}


@dataclass(frozen=True, order=True)
class Shard:
    """One file: rows ``start`` to ``stop`` (exclusive) of one task in one split."""

    start: int
    stop: int
    path: Path

    def __len__(self) -> int:
        return self.stop - self.start


class Piece(NamedTuple):
    """The rows ``start`` to ``stop`` of a task, to be read from ``shard``."""

    shard: Shard
    start: int
    stop: int


def shard_path(folder: Path, split: Split, start: int, stop: int) -> Path:
    """Return where rows ``start`` to ``stop`` lie."""
    return folder / f"{split}-{start:012d}-{stop:012d}.safetensors"


def is_shard_name(name: str) -> bool:
    """Return whether a file's name is that of a shard."""
    return _NAME.fullmatch(name) is not None


def list_shards(folder: Path, split: Split) -> list[Shard]:
    """Return a task's shards in row order; by their names alone, larger ones first."""
    found = [(_NAME.fullmatch(path.name), path) for path in folder.glob(f"{split}-*.safetensors")]
    shards = [Shard(int(match["start"]), int(match["stop"]), path) for match, path in found if match]
    return sorted(shards, key=lambda shard: (shard.start, -shard.stop))


def cover(shards: Sequence[Shard]) -> list[Piece]:
    """Return each row once, in order: what a shard repeats of those before it is left out."""
    pieces: list[Piece] = []
    reached = 0
    for shard in shards:
        if shard.stop > reached:
            pieces.append(Piece(shard, max(shard.start, reached), shard.stop))
            reached = shard.stop
    return pieces


def gaps(pieces: Sequence[Piece], total: int) -> list[range]:
    """Return the ranges of ``range(total)`` that no piece covers."""
    edges = [0, *(edge for piece in pieces for edge in (piece.start, piece.stop)), total]
    pairs = zip(edges[::2], edges[1::2], strict=True)
    return [range(start, min(stop, total)) for start, stop in pairs if start < min(stop, total)]


def pieces_of(folder: Path, split: Split) -> list[Piece]:
    """Return where each of a task's stored rows is to be read, in row order."""
    return cover(list_shards(folder, split))


def write_shard(path: Path, blocks: Sequence[Mapping[str, Tensor]], metadata: Mapping[str, str]) -> None:
    """Write blocks of rows one after the other as one safetensors file, whole or not at all.

    Blocks that lie in memory maps are copied without being loaded all at once.
    """

    def write(stream: IO[bytes]) -> None:
        header = json.dumps({"__metadata__": dict(metadata), **_layout(blocks)}).encode()
        header += b" " * (-len(header) % 8)
        stream.write(len(header).to_bytes(8, "little") + header)
        for name in blocks[0]:
            for block in blocks:
                stream.write(raw_bytes(block[name]))

    try:
        files.write_atomically(path, write)
    except OSError as error:
        raise InputError(
            f"`path` must have room for the gradients. Writing '{path}' failed: {error.strerror}. Make room and run "
            "again; what was stored is kept."
        ) from error


def read_metadata(path: Path) -> dict[str, str]:
    """Return a shard's metadata, having checked that the file is whole.

    Raises
    ------
    InputError
        When the file is truncated or was not written by a store.
    FileNotFoundError
        When another process has just merged or dropped it.
    """
    try:
        with safe_open(path, framework="pt") as content:
            metadata = dict(content.metadata() or {})
    except SafetensorError as error:
        raise _damaged(path, str(error)) from None
    if not {"spec", "task", "split", "start", "stop", "loss", "network"} <= metadata.keys():
        raise InputError(f"`path` must hold nothing but its own store. Found a foreign file: '{path}'. Move it away.")
    if path.name != shard_path(path.parent, metadata["split"], int(metadata["start"]), int(metadata["stop"])).name:
        raise _damaged(path, f"it holds rows {metadata['start']} to {metadata['stop']} of {metadata['split']}")
    return metadata


def read_piece(piece: Piece) -> dict[str, Tensor]:
    """Return the tensors of a piece, memory-mapped."""
    rows = slice(piece.start - piece.shard.start, piece.stop - piece.shard.start)
    try:
        with safe_open(piece.shard.path, framework="pt") as content:
            return {name: content.get_tensor(name)[rows] for name in content.keys()}  # noqa: SIM118 - not a mapping
    except SafetensorError as error:
        raise _damaged(piece.shard.path, str(error)) from None


def worth_merging(pieces: Sequence[Piece]) -> Iterator[list[Piece]]:
    """Yield runs of two and more adjacent pieces to bring into one file.

    A shard with more than half of the rows is left alone, so that adding a few rows never rewrites many.
    """
    total = sum(len(piece.shard) for piece in pieces)
    run: list[Piece] = []
    for piece in pieces:
        if run and run[-1].stop == piece.start and not 2 * max(len(run[-1].shard), len(piece.shard)) > total:
            run.append(piece)
            continue
        if len(run) > 1:
            yield run
        run = [piece]
    if len(run) > 1:
        yield run


def _layout(blocks: Sequence[Mapping[str, Tensor]]) -> dict[str, object]:
    """Describe every tensor as safetensors' header does."""
    layout: dict[str, object] = {}
    offset = 0
    for name, first in blocks[0].items():
        shape = [sum(len(block[name]) for block in blocks), *first.shape[1:]]
        size = sum(block[name].numel() * block[name].element_size() for block in blocks)
        layout[name] = {"dtype": _TYPES[first.dtype], "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    return layout


def _damaged(path: Path, found: str) -> InputError:
    return InputError(
        f"`path` must hold an undamaged store. '{path}' is truncated or damaged ({found}). Delete that file: its rows "
        "are collected again by the next run."
    )
