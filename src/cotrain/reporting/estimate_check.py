"""Whether the estimate foresaw what training the groups brought."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from cotrain.affinity.affinity import Affinity
from cotrain.evaluation.intervals import t_interval
from cotrain.evaluation.trained import TrainedGroups
from cotrain.problem.task import Subset


@dataclass(frozen=True, eq=False)
class EstimateCheck:
    """Estimated beside measured gain over training alone, for every served task that shares its network.

    Parameters
    ----------
    tasks
        Task names.
    groups
        Position of each task's serving group.
    estimated, estimated_error
        ``(tasks,)``: the estimate, in ``unit``, and its standard error (NaN where not known).
    measured, half_width
        ``(tasks,)``: mean gain over seeds on test data, and half of its 95 % interval (NaN from one seed).
    unit
        Of the estimate; only ``"gain"`` can be compared one to one.
    """

    tasks: tuple[str, ...]
    groups: tuple[int, ...]
    estimated: NDArray[np.float64]
    estimated_error: NDArray[np.float64]
    measured: NDArray[np.float64]
    half_width: NDArray[np.float64]
    unit: str

    @property
    def pearson(self) -> float:
        """Linear correlation; NaN below three tasks or without spread."""
        return float(stats.pearsonr(self.estimated, self.measured).statistic) if self._has_spread else float("nan")

    @property
    def spearman(self) -> float:
        """Rank correlation; NaN below three tasks or without spread."""
        return float(stats.spearmanr(self.estimated, self.measured).statistic) if self._has_spread else float("nan")

    @property
    def _has_spread(self) -> bool:
        return len(self.tasks) > 2 and bool(min(np.ptp(self.estimated), np.ptp(self.measured)) > 0)


def check_estimate(trained: TrainedGroups) -> EstimateCheck | None:
    """Compare the estimate behind a grouping with what was measured; None without one or without shared networks.

    The estimate of task i in group S is that of the very subset where the method estimated it, else the mean of
    ``A[i, partners]``.
    """
    affinity, verdict = trained.estimate, trained.verdict
    if affinity is None:
        return None
    mean, half_width = t_interval(verdict.gains("one-per-task"))
    rows = []
    for column, task in enumerate(verdict.tasks):
        group = trained.grouping.group_of(task)
        if task in affinity.tasks and len(group) > 1:
            estimate = _estimate(affinity, task, group)
            if np.isfinite([estimate[0], mean[column]]).all():
                rows.append((task, trained.grouping.serving[task], *estimate, mean[column], half_width[column]))
    if not rows:
        return None
    estimated, error, measured, width = np.array([row[2:] for row in rows], dtype=np.float64).T
    tasks, groups = tuple(row[0] for row in rows), tuple(row[1] for row in rows)
    return EstimateCheck(tasks, groups, estimated, error, measured, width, affinity.unit)


def _estimate(affinity: Affinity, task: str, group: Subset) -> tuple[float, float]:
    table = affinity.subset_losses
    if affinity.unit == "gain" and table is not None and group in table.subsets:
        row, column = table.subsets.index(group), table.tasks.index(task)
        gain, error = table.gain()[row, column], table.gain_error()[row, column]
        if np.isfinite(gain):
            return float(gain), float(error)
    partners = [affinity.tasks.index(name) for name in group if name != task and name in affinity.tasks]
    known = affinity.matrix[affinity.tasks.index(task), partners]
    known = known[np.isfinite(known)]
    return (float(known.mean()), float("nan")) if known.size else (float("nan"), float("nan"))
