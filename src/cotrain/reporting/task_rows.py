"""One line per task: what serves it, what that brought, how every arm did."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cotrain.evaluation.intervals import t_interval
from cotrain.evaluation.trained import TrainedGroups
from cotrain.evaluation.verdict import ArmName, Verdict
from cotrain.problem.metrics import LOWER_IS_BETTER

_BASELINES: tuple[ArmName, ...] = ("one-per-task", "all-in-one")


def task_rows(trained: TrainedGroups) -> list[dict[str, Any]]:
    """Return each task's metric, group, gains over both baselines and every arm's mean loss and metric.

    ``half width over ...`` is half the 95 % interval of a gain; ``best ...`` lists the arms that none beats.
    """
    verdict = trained.verdict
    gains = {baseline: t_interval(verdict.gains(baseline)) for baseline in _BASELINES}
    rows: list[dict[str, Any]] = []
    for column, record in enumerate(verdict.to_frame().to_dict("records")):
        row: dict[str, Any] = {str(name): value for name, value in record.items()}
        rows.append(row)
        row["group"] = trained.grouping.serving[row["task"]]
        for baseline, (mean, half_width) in gains.items():
            row[f"gain over {baseline}"] = float(mean[column])
            row[f"half width over {baseline}"] = float(half_width[column])
        row["best loss"] = _best(verdict, row, "loss", sign=-1)
        row["best metric"] = _best(verdict, row, "metric", sign=-1 if row["metric"] in LOWER_IS_BETTER else 1)
    return rows


def _best(verdict: Verdict, row: dict[str, Any], what: str, *, sign: int) -> list[ArmName]:
    values: NDArray[np.float64] = np.array([sign * row[f"{what} {name}"] for name in verdict.arms])
    if not np.isfinite(values).any():
        return []
    return [name for name, value in zip(verdict.arms, values, strict=True) if value == np.nanmax(values)]
