"""From a matrix and targets to a problem that any table makes, however rare some of its labels are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from cotrain.models.mlp import SharedMLPFactory
from cotrain.problem.defaults import default_network, default_training
from cotrain.problem.encoding import Standardiser
from cotrain.problem.options import NetworkOptions, TrainingOptions
from cotrain.problem.problem import Problem, Split
from cotrain.problem.readers.assembly import resolved
from cotrain.problem.rows import Rows
from cotrain.problem.splitting import seeded_split
from cotrain.problem.targets import Target


class Samples(NamedTuple):
    """What can be learned, and what encodes new rows and builds networks for it."""

    problem: Problem
    standardiser: Standardiser
    factory: SharedMLPFactory


def split_rows(targets: Sequence[Target], fractions: Sequence[float], seed: int) -> NDArray[np.int8]:
    """Return a stratified split in which training rows hold every class that any row holds.

    Parameters
    ----------
    targets
        Codes or numbers, NaN where missing.
    fractions
        Shares of train, validation and, where wanted, test.
    seed
        Decides ties.
    """
    split = seeded_split(targets, fractions, seed)
    for target in targets:
        if target.task.kind != "regression":
            seen = target.values[split == 0]
            for code in np.setdiff1d(target.values[~np.isnan(target.values)], seen):
                split[np.flatnonzero(target.values == code)[0]] = 0
    return split


def learnable(target: Target, split: NDArray[np.int8]) -> bool:
    """Return whether a target has two different labels to train on and one in every other split."""
    seen = ~np.isnan(target.values)
    train = target.values[seen & (split == 0)]
    others = range(1, int(split.max(initial=1)) + 1)
    return len(np.unique(train)) > 1 and all(bool((seen & (split == code)).any()) for code in others)


def make_samples(
    matrix: NDArray[np.float64],
    targets: Sequence[Target],
    split: NDArray[np.int8],
    *,
    network: NetworkOptions | Mapping[str, Any] | None,
    training: TrainingOptions | Mapping[str, Any] | None,
    name: str,
) -> Samples:
    """Return the problem of learnable targets; without test rows its test split repeats the validation rows."""
    standardiser = Standardiser.fit(matrix[split == 0])
    inputs = torch.from_numpy(standardiser.transform(matrix))
    made = [target.standardised(split == 0) for target in targets]
    values = torch.from_numpy(np.stack([target.values for target in made], axis=1).astype(np.float32))
    codes: dict[Split, int] = {"train": 0, "validation": 1, "test": int(split.max())}
    rows = {part: Rows(inputs[split == code], values[split == code]) for part, code in codes.items()}
    count = len(rows["train"])
    options = resolved(network, default_network(matrix.shape[1], count, len(made)))
    factory = SharedMLPFactory(matrix.shape[1], options)
    tasks = tuple(target.task for target in made)
    problem = Problem(tasks, rows, factory, resolved(training, default_training(count)), name, standardiser)
    return Samples(problem, standardiser, factory)
