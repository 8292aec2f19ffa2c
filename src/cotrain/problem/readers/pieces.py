"""Sequences and their tokens: how much a token counts, and rows in which one token alone counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from cotrain.errors import InputError
from cotrain.problem.problem import SPLITS, Problem, Split
from cotrain.problem.rows import Rows, select
from cotrain.seeding import generator

_WEIGHTS = "token_weights"


def by_token(problem: Problem, *, most: int, seed: int) -> Problem:
    """Return a problem whose task losses are mean token losses, with single tokens as its pieces.

    Tokens weigh as much as makes the mean over a task's rows the mean over its tokens: in a split, one part in the
    mean number of tokens of a row. Every piece is a row of which one token counts, with weight 1.

    Parameters
    ----------
    problem
        Rows hold ``token_weights``, 1 for tokens that are predicted and 0 for others.
    most
        The most pieces of a task in a split, drawn at random.
    seed
        Of the draw.
    """
    splits: dict[Split, Rows] = {split: _weighted(problem.splits[split], problem.names) for split in SPLITS}
    pieces: dict[Split, Rows] = {}
    for split in ("train", "validation"):
        drawn = [
            _drawn(problem.splits[split], column, most, generator(seed, "tokens", split, name))
            for column, name in enumerate(problem.names)
        ]
        pieces[split] = _pieces(problem.splits[split], torch.cat(drawn))
    return replace(problem, splits=splits, pieces=pieces)


def _weighted(rows: Rows, names: tuple[str, ...]) -> Rows:
    tokens = _named(rows)[_WEIGHTS].sum(dim=1)
    mean = (rows.observed * tokens[:, None]).sum(dim=0) / rows.observed.sum(dim=0)
    empty = [name for name, value in zip(names, mean.tolist(), strict=True) if not value > 0]
    if empty:
        raise InputError(f"`data` must hold texts to predict. Found no token in those of {empty}.")
    share = (rows.observed / mean).sum(dim=1) / rows.observed.sum(dim=1).clamp_min(1)
    return Rows({**_named(rows), _WEIGHTS: _named(rows)[_WEIGHTS] * share[:, None]}, rows.targets)


def _drawn(rows: Rows, column: int, most: int, draw: torch.Generator) -> Tensor:
    """Return (row, position) of a task's predicted tokens, at most so many, in their order."""
    counted = _named(rows)[_WEIGHTS] * rows.observed[:, column, None]
    places = counted.nonzero()
    return places[torch.randperm(len(places), generator=draw)[:most].sort().values]


def _pieces(rows: Rows, places: Tensor) -> Rows:
    row, position = places.unbind(dim=1)
    inputs = dict(select(_named(rows), row))
    inputs[_WEIGHTS] = torch.zeros_like(inputs[_WEIGHTS]).scatter_(1, position[:, None], 1.0)
    return Rows(inputs, rows.targets[row])


def _named(rows: Rows) -> Mapping[str, Tensor]:
    if isinstance(rows.inputs, Tensor):
        raise InputError("Sequences must have inputs by name.")
    return rows.inputs
