"""A view of stored rows that keeps nothing in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

import torch

from cotrain.errors import InputError
from cotrain.gradients.shards import gaps, pieces_of, read_metadata, read_piece
from cotrain.gradients.task_gradients import LinearLoss, TaskGradients
from cotrain.problem.problem import Split


class StoredGradients(Mapping[str, TaskGradients]):
    """Rows of one split by task name, each task memory-mapped anew when it is asked for.

    Looping over the tasks holds one task at a time; its pages are the operating system's to drop.

    Parameters
    ----------
    split
        Which rows.
    folders
        Where each task's shards lie.
    """

    def __init__(self, split: Split, folders: Mapping[str, Path]) -> None:
        self._split = split
        self._folders = folders

    def __getitem__(self, name: str) -> TaskGradients:
        folder = self._folders[name]
        try:
            return self._load(name, folder)
        except FileNotFoundError:  # merged by another process since its files were listed
            return self._load(name, folder)

    def __iter__(self) -> Iterator[str]:
        return iter(self._folders)

    def __len__(self) -> int:
        return len(self._folders)

    def _load(self, name: str, folder: Path) -> TaskGradients:
        pieces = pieces_of(folder, self._split)
        if not pieces:
            raise InputError(
                f"`task` '{name}' has no {self._split} rows any more: it was dropped. Read the store anew."
            )
        holes = gaps(pieces, pieces[-1].stop)
        if holes:
            raise InputError(
                f"`task` '{name}' lacks its {self._split} rows {holes[0].start} to {holes[0].stop}. Collect them first."
            )
        loss = cast(LinearLoss, read_metadata(pieces[0].shard.path)["loss"])
        blocks = [read_piece(piece) for piece in pieces]
        whole = blocks[0] if len(blocks) == 1 else {key: torch.cat([part[key] for part in blocks]) for key in blocks[0]}
        return TaskGradients(whole["features"], whole["offset"], whole["sample"], loss)
