"""Serves every member of an ensemble its own next batch, each in its own order and at its own pace."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from cotrain.problem.rows import Rows
from cotrain.training.subset_data import batches, steps_per_epoch


class Feed:
    """The batches of every member, the same as when it trains alone, padded to one size.

    Parameters
    ----------
    rows
        For each member the numbers of its training rows.
    seeds
        One per member.
    batch_size
        The most rows of a batch.
    train
        All training rows: batches are padded to the largest that they allow.
    """

    def __init__(self, rows: Sequence[Tensor], seeds: Sequence[int], batch_size: int, train: Rows) -> None:
        self._rows, self._seeds, self._batch_size = list(rows), list(seeds), batch_size
        self._steps = np.array([steps_per_epoch(len(own), batch_size) for own in rows])
        shape = (len(rows), int(self._steps.max()), min(batch_size, len(train)))
        device, dtype = train.targets.device, train.targets.dtype
        self._index = torch.zeros(shape, dtype=torch.int64, device=device)
        self._share = torch.zeros(shape, dtype=dtype, device=device)
        self._next = np.zeros(len(rows), dtype=np.int64)
        self._epoch = np.full(len(rows), -1)
        self.start_epoch(range(len(rows)))

    def place(self) -> list[tuple[int, int]]:
        """Return each member's epoch and the number of its next batch there."""
        return list(zip(self._epoch.tolist(), self._next.tolist(), strict=True))

    def go_to(self, place: Sequence[tuple[int, int]]) -> None:
        """Go to a place that :meth:`place` returned."""
        self._epoch = np.array([epoch - 1 for epoch, _ in place])
        self.start_epoch(range(len(place)))
        self._next = np.array([batch for _, batch in place])

    def take(self) -> tuple[Tensor, Tensor]:
        """Return row numbers ``(members, batch)`` and the share of each row in its batch's mean, zero for padding."""
        device = self._index.device
        where = torch.arange(len(self._next), device=device), torch.from_numpy(self._next).to(device)
        self._next = self._next + 1
        return self._index[where], self._share[where]

    def at_epoch_end(self) -> NDArray[np.int64]:
        """Return the members that have taken the last batch of their epoch."""
        return np.flatnonzero(self._next == self._steps)

    def start_epoch(self, members: Iterable[int]) -> None:
        """Lay out the next epoch of some members."""
        for member in members:
            self._epoch[member] += 1
            self._next[member] = 0
            own = self._rows[member]
            order, share = _padded(len(own), self._batch_size, self._seeds[member], int(self._epoch[member]))
            steps, width = order.shape
            self._index[member, :steps, :width] = own[order]
            self._share[member, :steps, :width] = share

    def keep(self, members: Sequence[int]) -> None:
        """Drop all other members."""
        self._rows, self._seeds = [self._rows[m] for m in members], [self._seeds[m] for m in members]
        self._steps, self._next, self._epoch = self._steps[members], self._next[members], self._epoch[members]
        self._index, self._share = self._index[members], self._share[members]


@lru_cache(maxsize=16)
def _padded(rows: int, size: int, seed: int, epoch: int) -> tuple[Tensor, Tensor]:
    """Members with as many rows and the same seed share their order; the last few are remembered."""
    parts = batches(rows, size, seed, epoch)
    shares = [torch.full((len(part),), 1 / len(part), dtype=torch.float64) for part in parts]
    return pad_sequence(list(parts), batch_first=True), pad_sequence(shares, batch_first=True)
