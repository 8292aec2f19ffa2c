"""The score of a task in a group: the mean affinity it receives from the others there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from scipy.stats import norm

from cotrain.affinity.affinity import Affinity
from cotrain.errors import InputError
from cotrain.grouping.selection.networks import Bools, Floats

Alone: TypeAlias = float | Literal["auto", "diagonal", "forbidden"]
Normalisation: TypeAlias = Literal["none", "zscore", "scale"]
NORMALISATIONS: tuple[Normalisation, ...] = ("none", "zscore", "scale")


@dataclass(frozen=True, eq=False)
class GroupScores:
    """Scores ``s_i(G) = mean over j in G, j != i, of benefit[i, j]``, and ``alone[i]`` for the group ``{i}``.

    Parameters
    ----------
    benefit
        ``(tasks, tasks)`` with a zero diagonal.
    alone
        ``(tasks,)``; ``-inf`` where a task may not train alone.
    """

    benefit: Floats
    alone: Floats

    def of(self, members: Bools) -> Floats:
        """Return the scores ``(groups, tasks)`` of all members; ``-inf`` outside the group."""
        inside = members.astype(np.float64)
        partners = inside.sum(axis=1, keepdims=True) - 1
        mean = inside @ self.benefit.T / np.maximum(partners, 1)
        return np.where(members, np.where(partners > 0, mean, self.alone), -np.inf)


def group_scores(
    affinity: Affinity, *, alone: Alone, normalisation: Normalisation, confidence: float | None
) -> GroupScores:
    """Turn an affinity into scores.

    Parameters
    ----------
    affinity
        Every pair must be known.
    alone
        Score of a task alone; ``"auto"`` is 0 in gain units and ``"forbidden"`` otherwise.
    normalisation
        Of every row: ``"none"``, ``"scale"`` (divided by the spread of its off-diagonal entries) or ``"zscore"``
        (their mean subtracted first). The score alone is treated like the entries of its row.
    confidence
        Level of the one-sided lower bound that replaces every entry; ``None`` takes the estimates as they are.
    """
    off = ~np.eye(len(affinity.tasks), dtype=bool)
    _require_known(affinity, affinity.matrix, off, "affinities", "Estimate the missing pairs or drop the tasks.")
    values = affinity.matrix.copy()
    if confidence is not None:
        _require_known(affinity, affinity.standard_error, off, "standard errors", "Drop `confidence`.")
        values -= norm.ppf(confidence) * np.where(off, affinity.standard_error, 0.0)
    single = _alone(affinity, alone)
    values, single = _normalised(np.where(off, values, np.nan), single, normalisation)
    return GroupScores(np.where(off, values, 0.0), single)


def _require_known(affinity: Affinity, values: Floats, off: Bools, what: str, remedy: str) -> None:
    rows = np.flatnonzero((off & ~np.isfinite(values)).any(axis=1))
    if len(rows):
        names = ", ".join(repr(affinity.tasks[row]) for row in rows[:5]) + (", ..." if len(rows) > 5 else "")
        raise InputError(f"`affinity` must hold finite {what} for all pairs. Found gaps in rows {names}. {remedy}")


def _alone(affinity: Affinity, alone: Alone) -> Floats:
    if alone == "diagonal":
        diagonal = np.diag(affinity.matrix).copy()
        if not np.isfinite(diagonal).all():
            raise InputError("`alone` 'diagonal' needs a finite diagonal in the affinity. Pass a number instead.")
        return diagonal
    if alone == "auto":
        alone = 0.0 if affinity.unit == "gain" else "forbidden"
    count = len(affinity.tasks)
    if alone == "forbidden":
        return np.full(count, -np.inf if count > 1 else 0.0)
    return np.full(count, float(alone))


def _normalised(values: Floats, alone: Floats, normalisation: Normalisation) -> tuple[Floats, Floats]:
    if normalisation == "none" or len(values) < 3:
        return values, alone
    spread = np.nanstd(values, axis=1)
    scale = np.where(spread > 1e-12 * np.nanmax(np.abs(values), axis=1), spread, 1.0)
    shift = np.nanmean(values, axis=1) if normalisation == "zscore" else np.zeros(len(values))
    return (values - shift[:, None]) / scale[:, None], (alone - shift) / scale
