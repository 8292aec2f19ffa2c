"""Small data that several tests of readers share."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from cotrain.problem import Problem


def mixed_labels(seed: int, rows: int = 90) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Return inputs, a binary, a three-class and a regression target with gaps, and a split."""
    random = np.random.default_rng(seed)
    X = random.normal(size=(rows, 4))
    Y = np.stack([X[:, 0] > 0, np.arange(rows) % 3, 5 + 3 * X[:, 1]], axis=1).astype(np.float64)
    Y[random.random(Y.shape) < 0.2] = np.nan
    Y[:, 2] = np.where(np.isnan(Y[:, 2]), np.nan, Y[:, 2])
    return X, Y, np.arange(rows) // 7 % 3


def table(seed: int = 0, rows: int = 90) -> pd.DataFrame:
    """Return a table with numeric and text inputs and one target of each kind."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age": random.normal(40, 9, rows),
            "visits": random.integers(0, 9, rows),
            "colour": random.choice(["red", "blue", "green"], rows),
            "ill": random.choice(["no", "yes"], rows),
            "ward": random.choice(["a", "b", "c"], rows),
            "score": random.normal(100, 15, rows),
            "part": np.arange(rows) // 5 % 3,
        }
    )
    frame["score"] = frame["score"].where(random.random(rows) > 0.2)
    frame["ill"] = frame["ill"].where(random.random(rows) > 0.2, None)
    return frame


TARGETS = ["ill", "ward", "score"]


def same_problem(one: Problem, other: Problem, *, tolerance: float = 0.0) -> bool:
    """Return whether two problems have the same tasks, data and networks."""
    rows = zip(one.splits.values(), other.splits.values(), strict=True)
    return (
        one.tasks == other.tasks
        and one.training == other.training
        and one.build == other.build
        and all(_close(a.inputs, b.inputs, tolerance) and _close(a.targets, b.targets, tolerance) for a, b in rows)
    )


def _close(one: Any, other: Any, tolerance: float) -> bool:
    assert isinstance(one, Tensor)
    return one.shape == other.shape and torch.allclose(one, other, rtol=0, atol=tolerance, equal_nan=True)
