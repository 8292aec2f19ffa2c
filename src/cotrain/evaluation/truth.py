"""Measured truth as it comes: tables of subset losses, or archives of losses or gains over subsets."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cotrain import checks
from cotrain.affinity.subset_losses import SubsetLosses
from cotrain.cost import Cost
from cotrain.errors import InputError

LAYOUT = (
    "An NPZ truth holds `tasks`, `mask` (subsets, tasks) and losses (`val_loss` or `test_loss`, with or without a "
    "leading axis of seeds) or gains (`gain_valid`, `gain_test` or `gain_groundtruth`)."
)
_SPLITS = ("validation", "test")
_NAMES = {
    "validation": ("val_loss", "gain_valid", "gain_groundtruth"),
    "test": ("test_loss", "gain_test", "gain_groundtruth"),
}


def read_truth(path: str | Path, *, split: str = "validation") -> SubsetLosses:
    """Read measured losses of subsets.

    Seeds are averaged and give the standard errors. Gains become losses relative to training alone: a task alone has
    loss 1 and a gain of .1 is a loss of .9.

    Parameters
    ----------
    path
        A table that :meth:`SubsetLosses.load` reads, or an NPZ archive of measured losses or gains.
    split
        ``"validation"`` or ``"test"``, where an archive holds both.

    Raises
    ------
    InputError
        When the file is missing, damaged or of another layout.
    """
    path = Path(path)
    checks.one_of("split", split, _SPLITS)
    if path.suffix != ".npz":
        return SubsetLosses.load(path)
    arrays = _load(path)
    if "header" in arrays:
        return SubsetLosses.load(path)
    found = [name for name in _NAMES[split] if name in arrays]
    if not {"tasks", "mask"} <= set(arrays) or not found:
        raise InputError(f"{LAYOUT} '{path}' holds {sorted(arrays)}.")
    values = np.asarray(arrays[found[0]], dtype=np.float64)
    losses = 1.0 - values if found[0].startswith("gain") else values
    names = tuple(str(name) for name in arrays["tasks"])
    mask = np.asarray(arrays["mask"], dtype=bool)
    return SubsetLosses.from_seeds(names, mask, losses if losses.ndim == 3 else losses[None])


def read_truth_cost(path: str | Path) -> Cost | None:
    """Return what measuring took, where :func:`cotrain.measure` made the archive; None for anything else."""
    path = Path(path)
    arrays = _load(path) if path.suffix == ".npz" else {}
    fields = ("flops", "seconds", "trainings")
    if not set(fields) <= set(arrays):
        return None
    flops, seconds, trainings = (float(arrays[name]) for name in fields)
    return Cost(flops, seconds, int(trainings))


def _load(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise InputError(f"`truth` must be an existing file. '{path}' does not exist.") from None
    except (OSError, ValueError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"`truth` must be readable without pickles. '{path}' is not ({error}).") from None
