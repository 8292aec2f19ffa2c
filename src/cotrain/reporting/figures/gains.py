"""What grouping brought: per task, and on average beside the alternatives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cotrain.evaluation.intervals import t_interval
from cotrain.evaluation.verdict import ArmName, Verdict
from cotrain.reporting.figures.canvas import BLUE, ORANGE, axes_or_new, finding, rows_size
from cotrain.reporting.figures.dots import Series, draw_dots

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_TASKS = 60
_BASELINES: tuple[tuple[ArmName, str, str, str], ...] = (
    ("one-per-task", "over one network per task", BLUE, "o"),
    ("all-in-one", "over one network for all", ORANGE, "D"),
)
_ARMS: tuple[ArmName, ...] = ("chosen", "random", "all-in-one", "one-per-task")


def gain_per_task(verdict: Verdict, *, ax: Axes | None = None) -> Axes:
    """Draw each task's gain in the chosen groups over both baselines, largest gain over training alone first.

    Intervals are 95 % Student-t intervals over seeds and may leave the axes. Beyond 60 tasks only the 30 best and the
    30 worst are drawn.

    Parameters
    ----------
    verdict
        The measured arms.
    ax
        Where to draw; a new pyplot figure by default.
    """
    measured = [(*baseline, *t_interval(_finite(verdict.gains(baseline[0])))) for baseline in _BASELINES]
    mean, half_width = measured[0][-2:]
    order = np.argsort(-mean, kind="stable")
    series = [
        Series(text, colour, marker, _shown(m[order]), _shown(h[order])) for _, text, colour, marker, m, h in measured
    ]
    ax = axes_or_new(ax, rows_size(lines_of(verdict)))
    draw_dots(ax, _names([verdict.tasks[position] for position in order]), series)
    ax.set_xlabel(f"gain on test data: share of the baseline's loss saved{_spread(half_width)}", fontsize="small")
    clearly = int((mean - half_width > 0).sum())
    beyond = f", {clearly} beyond noise" if np.isfinite(half_width).any() else ""
    finding(ax, f"{int((mean > 0).sum())} of {len(mean)} tasks gain over training alone{beyond}", pad=22)
    return ax


def lines_of(verdict: Verdict) -> int:
    """Return how many lines :func:`gain_per_task` draws."""
    return min(len(verdict.tasks), MOST_TASKS + 1)


def gain_of_arms(verdict: Verdict, *, ax: Axes | None = None) -> Axes:
    """Draw the mean gain of every arm over both baselines, with 95 % Student-t intervals over seeds.

    Parameters
    ----------
    verdict
        The measured arms.
    ax
        Where to draw; a new pyplot figure by default.
    """
    arms = [name for name in _ARMS if name in verdict.arms]
    ax = axes_or_new(ax, rows_size(len(arms)))
    series = [
        Series(text, colour, marker, *_mean_gains(verdict, baseline, arms))
        for baseline, text, colour, marker in _BASELINES
    ]
    draw_dots(ax, arms, series)
    ax.set_xlabel(f"mean gain over tasks on test data{_spread(series[0].half_width)}", fontsize="small")
    best = arms[int(np.nanargmax(np.append(series[0].mean, -np.inf)[:-1]))] if np.isfinite(series[0].mean).any() else ""
    finding(ax, f"Highest mean gain: {best}" if best else "No gain is known", pad=22)
    return ax


def _mean_gains(
    verdict: Verdict, baseline: ArmName, arms: list[ArmName]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    over_tasks = [_finite(verdict.gains(baseline, arm)).mean(axis=1) for arm in arms]
    mean, half_width = t_interval(np.stack(over_tasks, axis=1))
    is_baseline = np.array([arm == baseline for arm in arms])
    return mean, np.where(is_baseline, np.nan, half_width)


def _shown(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Leave out the middle where there are too many, with a gap in its place."""
    half = MOST_TASKS // 2
    return values if len(values) <= MOST_TASKS else np.concatenate([values[:half], [np.nan], values[-half:]])


def _names(tasks: list[str]) -> list[str]:
    half = MOST_TASKS // 2
    between = f"⋮  {len(tasks) - MOST_TASKS} between  ⋮"
    return tasks if len(tasks) <= MOST_TASKS else [*tasks[:half], between, *tasks[-half:]]


def _finite(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.isfinite(values), values, np.nan)


def _spread(half_width: NDArray[np.float64]) -> str:
    return "; bars: 95 % interval over seeds" if np.isfinite(half_width).any() else "; one seed, so no interval"
