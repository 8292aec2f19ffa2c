"""The estimate against the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cotrain.evaluation.trained import TrainedGroups
from cotrain.reporting.estimate_check import EstimateCheck, check_estimate
from cotrain.reporting.figures.canvas import WIDTH, axes_or_new, finding, group_colour, ink, label, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE = (WIDTH, 4.6)
_MOST_NAMES = 12


def estimated_vs_measured(trained: TrainedGroups, *, ax: Axes | None = None) -> Axes:
    """Draw the estimated gain of every task in its group against the gain measured on test data.

    Tasks with a network of their own are left out: nothing was estimated for them. Colours are groups, vertical bars
    95 % intervals over seeds, horizontal bars standard errors of the estimate; the dashed line is a perfect estimate.

    Parameters
    ----------
    trained
        Trained groups with the estimate they came from.
    ax
        Where to draw; a new pyplot figure by default.
    """
    ax = axes_or_new(ax, SIZE)
    tidy(ax)
    check = check_estimate(trained)
    ax.set_ylabel("measured gain over training alone", fontsize="small")
    if check is None:
        ax.set_xlabel("estimated gain", fontsize="small")
        finding(ax, "Nothing to compare: no task shares a network under an estimate")
        return ax
    ax.set_xlabel("estimated gain" if check.unit == "gain" else f"estimated affinity ({check.unit})", fontsize="small")
    _points(ax, check)
    _lines_and_limits(ax, check)
    _name_points(ax, check)
    finding(ax, _correlations(check))
    return ax


def _points(ax: Axes, check: EstimateCheck) -> None:
    for group in sorted(set(check.groups)):
        at = np.flatnonzero(np.array(check.groups) == group)
        points = ax.errorbar(
            check.estimated[at], check.measured[at], xerr=check.estimated_error[at], yerr=check.half_width[at],
            linestyle="none", marker="o", markersize=5, elinewidth=0.8, color=group_colour(group),
            label=f"group {group + 1}",
        )  # fmt: skip
        for bars in points[2]:
            bars.set_alpha(0.35)


def _lines_and_limits(ax: Axes, check: EstimateCheck) -> None:
    from matplotlib.ticker import PercentFormatter

    ax.set(xlim=_span(check.estimated), ylim=_span(check.measured))
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    for line in (ax.axhline, ax.axvline):
        line(0.0, color=ink(), linewidth=0.6, alpha=0.5, zorder=0)
    if check.unit == "gain":
        ax.xaxis.set_major_formatter(PercentFormatter(1.0))
        ax.axline((0.0, 0.0), slope=1.0, color=ink(), linewidth=0.9, linestyle=(0, (5, 4)), zorder=1)
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, borderaxespad=0, fontsize="small")


def _name_points(ax: Axes, check: EstimateCheck) -> None:
    """Name the points farthest from the others' middle first, and none whose name would cover another's."""
    spread = np.array([np.ptp(ax.get_xlim()), np.ptp(ax.get_ylim())])
    points = np.stack([check.estimated, check.measured], axis=1) / spread
    taken: list[NDArray[np.float64]] = []
    for at in np.argsort(-np.abs(points - np.median(points, axis=0)).sum(axis=1))[:_MOST_NAMES]:
        name = label(check.tasks[at], longest=18)
        box = np.array([len(name) * 0.014, 0.05])
        others = np.delete(points, at, axis=0)
        inside = (others > points[at] - [0, box[1] / 2]) & (others < points[at] + [box[0], box[1] / 2])
        clash = any((np.abs(points[at] - other[:2]) < [max(box[0], other[2]), box[1]]).all() for other in taken)
        if clash or inside.all(axis=1).any():
            continue
        taken.append(np.append(points[at], box[0]))
        ax.annotate(
            name, (check.estimated[at], check.measured[at]), xytext=(5, 0), textcoords="offset points",
            va="center", fontsize="x-small", parse_math=False,
        )  # fmt: skip


def _span(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    margin = 0.1 * (high - low) or 0.01
    return low - margin, high + margin


def _correlations(check: EstimateCheck) -> str:
    if not np.isfinite(check.pearson):
        return "Too few tasks share networks for a correlation"
    return f"Estimate and measurement correlate {check.pearson:.2f} (ranks {check.spearman:.2f})"
