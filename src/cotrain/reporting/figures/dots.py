"""Dots with intervals, one line per name: the shape of every comparison of gains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cotrain.reporting.figures.canvas import ink, label, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False)
class Series:
    """One dot per name: its mean and the half width of its interval (NaN: none known)."""

    label: str
    colour: str
    marker: str
    mean: NDArray[np.float64]
    half_width: NDArray[np.float64]


def draw_dots(ax: Axes, names: Sequence[str], series: Sequence[Series]) -> None:
    """Draw every series against ``names`` from top to bottom, side by side on each line, and a line at zero."""
    from matplotlib.ticker import PercentFormatter

    tidy(ax)
    ax.axvline(0.0, color=ink(), linewidth=0.9, zorder=1)
    rows = np.arange(len(names), dtype=np.float64)
    shifts = np.linspace(-0.17, 0.17, len(series)) if len(series) > 1 else np.zeros(1)
    for line, shift in zip(series, shifts, strict=True):
        ax.errorbar(
            line.mean, rows + shift, xerr=line.half_width, label=line.label, color=line.colour,
            marker=line.marker, linestyle="none", markersize=5, elinewidth=1.3, zorder=3,
        )  # fmt: skip
    ax.set_yticks(rows, [label(name) for name in names], parse_math=False)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlim(*_span(series))
    ax.xaxis.set_major_formatter(PercentFormatter(1.0))
    ax.grid(visible=True, axis="both", linewidth=0.5, zorder=0)
    ax.set_axisbelow(True)
    ax.legend(
        loc="lower left", bbox_to_anchor=(0, 1), ncols=len(series), frameon=False, borderaxespad=0, fontsize="small"
    )


def _span(series: Sequence[Series]) -> tuple[float, float]:
    """Show every dot; an interval may leave the axes so that one wild task does not flatten the others."""
    means = np.concatenate([line.mean for line in series])
    ends = np.concatenate([line.mean + sign * line.half_width for line in series for sign in (-1, 1)])
    means, ends = means[np.isfinite(means)], ends[np.isfinite(ends)]
    low, high = (float(f(np.append(means, 0.0))) for f in (np.min, np.max))
    reach = max(high - low, 0.01)
    inner = ends[(ends > low - reach) & (ends < high + reach)]
    low, high = min(low, *inner, low), max(high, *inner, high)
    margin = 0.06 * (high - low) or 0.01
    return low - margin, high + margin
