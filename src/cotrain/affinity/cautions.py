"""What a careful reader should know before trusting an estimate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cotrain.affinity.aggregation import Aggregate
from cotrain.problem.problem import Problem
from cotrain.training.fit import Fit

LOW_OVERLAP = 0.3
"""Below this share of common rows gradient affinities were found to be noise (arXiv 2604.07848)."""
FEW_MEETINGS = 3
BASE_DRIFT = 0.05
LINEAR_ERROR = 0.5


def about_data(problem: Problem) -> list[str]:
    """Warn when tasks share few rows."""
    observed = problem.splits["train"].observed.double()
    common = (observed.T @ observed).numpy()
    rows = common.diagonal()
    share = (common / np.minimum.outer(rows, rows))[~np.eye(len(rows), dtype=bool)]
    if len(share) and np.median(share) < LOW_OVERLAP:
        found = f"the median pair has {np.median(share):.0%} in common"
        return [f"Tasks share few rows: {found}. Gradient affinities were found unreliable below {LOW_OVERLAP:.0%}."]
    return []


def about_meetings(aggregate: Aggregate) -> list[str]:
    """Warn about pairs that hardly met."""
    off = ~np.eye(len(aggregate.matrix), dtype=bool)
    if off.any() and aggregate.counts[off].min() < FEW_MEETINGS and len(aggregate.matrix) > FEW_MEETINGS:
        return [f"Some pairs met in fewer than {FEW_MEETINGS} subsets; raise `meetings`."]
    return []


def about_gains(aggregate: Aggregate) -> list[str]:
    """Warn about gains without a single positive one."""
    off = ~np.eye(len(aggregate.matrix), dtype=bool)
    if off.any() and np.nanmax(aggregate.matrix[off]) < 0:
        return ["Every pair is estimated to hurt: training each task alone may be best."]
    return []


def about_strength(strength: float, *, at_edge: bool) -> list[str]:
    """Warn when the best ridge strength ends the grid."""
    return [f"The ridge strength {strength:g} is at the edge of its grid."] if at_edge else []


def about_trainings(fits: Sequence[Fit]) -> list[str]:
    """Warn when a training was cut off by ``epochs``."""
    if all(fit.converged for fit in fits):
        return []
    return ["A base network was still improving when `epochs` ended; let it train longer."]


def about_base(base: Fit, unmoved: NDArray[np.float64], everything: NDArray[np.float64]) -> list[str]:
    """Warn when the base has not converged: cut off by ``epochs``, or refitting all tasks still moves it."""
    warnings = about_trainings([base])
    drift = float(np.mean(np.abs(everything - unmoved) / np.maximum(np.abs(unmoved), 1e-12)))
    if drift > BASE_DRIFT:
        warnings.append(
            f"Refitting all tasks moves the base network's validation losses by {drift:.0%}; it should not."
        )
    return warnings


def about_linearisation(
    unmoved: NDArray[np.float64], linear: NDArray[np.float64], forward: NDArray[np.float64]
) -> list[str]:
    """Warn when the linearised network and the network itself disagree on the change that probe updates bring."""
    change = np.abs(forward - unmoved).mean()
    error = np.abs(forward - linear).mean()
    if error > LINEAR_ERROR * max(change, 1e-12) and error > 1e-3 * np.abs(unmoved).mean():
        missed = f"on probe subsets it misses the network's own loss changes by {error / max(change, 1e-12):.0%}"
        return [f"Linearisation is rough here: {missed}. Try evaluation='forward'."]
    return []
