"""Which tasks would help one task."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cotrain import checks
from cotrain.affinity.affinity import Affinity

Floats = NDArray[np.float64]


def suggest(affinity: Affinity, target: str, *, most: int = 10, among: Collection[str] | None = None) -> pd.DataFrame:
    """Rank helpers for a task: who to train it with, one after another.

    Starts from the task alone and adds the helper with whom its predicted gain is largest, then the next beside those
    chosen before. The best company ends where ``gain`` is largest. Helpers that are trained and never served are tasks
    with ``helper=True``.

    Parameters
    ----------
    affinity
        Who helps whom.
    target
        The task to be helped.
    most
        Helpers to rank.
    among
        Tasks that may help; all others by default.

    Returns
    -------
    pandas.DataFrame
        One row per helper in order: ``helper``, the target's ``gain`` and ``standard_error`` with it and all before it,
        and ``alone``, its gain with that helper alone.

    Raises
    ------
    InputError
        When a name is unknown.

    Examples
    --------
    >>> affinity = Affinity.from_matrix("abc", [[0, 0.2, -0.1], [0.1, 0, 0], [0, 0, 0]])
    >>> suggest(affinity, "a")["helper"].tolist()
    ['b', 'c']
    """
    checks.one_of("target", target, affinity.tasks)
    checks.at_least("most", most, 1)
    for name in among or ():
        checks.one_of("among", name, affinity.tasks)
    place = affinity.tasks.index(target)
    left = [number for number, name in enumerate(affinity.tasks) if name != target and (among is None or name in among)]
    alone = dict(zip(left, _gains(affinity, place, [[number] for number in left])[0], strict=True))
    chosen: list[int] = []
    rows = []
    while left and len(chosen) < most:
        gain, error = _gains(affinity, place, [[*chosen, number] for number in left])
        best = int(np.nan_to_num(gain, nan=-np.inf).argmax())
        chosen.append(left.pop(best))
        rows.append((affinity.tasks[chosen[-1]], gain[best], error[best], alone[chosen[-1]]))
    return pd.DataFrame(rows, columns=["helper", "gain", "standard_error", "alone"])


def _gains(affinity: Affinity, target: int, companies: list[list[int]]) -> tuple[Floats, Floats]:
    """Return the target's gain and its error in every company."""
    mask = np.zeros((len(companies), len(affinity.tasks)), dtype=bool)
    mask[:, target] = True
    for row, company in zip(mask, companies, strict=True):
        row[company] = True
    gain, error = affinity.predict(mask)
    return gain[:, target], error[:, target]
