"""Every stored row is read once, whatever ranges the files on disk hold."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from cotrain.errors import InputError
from cotrain.gradients.shards import (
    Shard,
    cover,
    gaps,
    list_shards,
    read_metadata,
    read_piece,
    shard_path,
    worth_merging,
    write_shard,
)

RANGES = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 15)), max_size=12)
METADATA = {"spec": "{}", "task": "a", "split": "train", "start": "0", "stop": "3", "loss": "square", "network": "n"}


def shards(ranges: list[tuple[int, int]]) -> list[Shard]:
    found = {Shard(start, start + length, Path(f"{start}-{start + length}")) for start, length in ranges}
    return sorted(found, key=lambda shard: (shard.start, -shard.stop))


@given(RANGES)
def test_a_cover_holds_every_stored_row_once(ranges: list[tuple[int, int]]) -> None:
    pieces = cover(shards(ranges))
    rows = [row for piece in pieces for row in range(piece.start, piece.stop)]
    assert rows == sorted({row for start, length in ranges for row in range(start, start + length)})
    assert all(piece.shard.start <= piece.start < piece.stop <= piece.shard.stop for piece in pieces)


@given(RANGES, st.integers(0, 60))
def test_gaps_are_the_rows_that_are_not_stored(ranges: list[tuple[int, int]], total: int) -> None:
    stored = {row for start, length in ranges for row in range(start, start + length)}
    found = gaps(cover(shards(ranges)), total)
    assert [row for gap in found for row in gap] == [row for row in range(total) if row not in stored]
    assert all(len(gap) for gap in found)


@given(RANGES)
def test_only_adjacent_small_pieces_are_merged(ranges: list[tuple[int, int]]) -> None:
    pieces = cover(shards(ranges))
    total = sum(len(piece.shard) for piece in pieces)
    for run in worth_merging(pieces):
        assert len(run) > 1
        assert all(before.stop == after.start for before, after in pairwise(run))
        assert all(2 * len(piece.shard) <= total for piece in run)


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=4).filter(any),
    st.sampled_from([torch.float32, torch.bfloat16, torch.float16]),
)
def test_written_blocks_are_read_back_joined(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], dtype: torch.dtype
) -> None:
    folder, total = tmp_path_factory.mktemp("shards"), sum(lengths)
    blocks = [{"features": torch.randn(n, 3).to(dtype), "sample": torch.arange(n)} for n in lengths]
    path = shard_path(folder, "train", 0, total)
    write_shard(path, blocks, {**METADATA, "stop": str(total)})
    whole = {name: torch.cat([block[name] for block in blocks]) for name in blocks[0]}
    assert read_metadata(path)["stop"] == str(total)
    (piece,) = cover(list_shards(folder, "train"))
    for read in (read_piece(piece), load_file(path)):
        assert all(torch.equal(read[name], whole[name]) for name in whole)
    tail = read_piece(piece._replace(start=1)) if total > 1 else {}
    assert all(torch.equal(tail[name], whole[name][1:]) for name in tail)


def test_a_file_under_another_name_is_refused(tmp_path: Path) -> None:
    path = shard_path(tmp_path, "train", 3, 6)
    write_shard(path, [{"features": torch.zeros(3, 1)}], METADATA)
    with pytest.raises(InputError, match="it holds rows 0 to 3 of train"):
        read_metadata(path)
