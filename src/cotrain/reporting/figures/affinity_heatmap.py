"""Who helps whom, at a glance."""

from __future__ import annotations

import math
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cotrain.affinity.affinity import Affinity
from cotrain.grouping.grouping import Grouping
from cotrain.reporting.figures.canvas import axes_or_new, finding, group_colour, label, matrix_size
from cotrain.reporting.figures.ordering import clustered_order

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

_MOST_VALUES = 16
MOST_NAMES = 60


def affinity_heatmap(affinity: Affinity, grouping: Grouping | None = None, *, ax: Axes | None = None) -> Axes:
    """Draw the affinity matrix with similar tasks side by side: each row's task gains from each column's task.

    Colours are centred at zero and reach the 98th percentile of the sizes, so that one outlier does not bleach the
    rest. Unknown entries are grey. Up to 16 tasks carry their values, up to 60 their names.

    Parameters
    ----------
    affinity
        What to draw.
    grouping
        Keeps the groups in one piece, frames them and numbers them along both sides.
    ax
        Where to draw; a new pyplot figure by default.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> affinity = Affinity.from_matrix(["a", "b"], [[0.0, 0.1], [-0.2, 0.0]])
    >>> affinity_heatmap(affinity, ax=Figure().add_subplot()).get_ylabel()
    'target: the task that gains'
    """
    ax = axes_or_new(ax, matrix_size(len(affinity.tasks)))
    order = clustered_order(affinity, grouping)
    names = [affinity.tasks[position] for position in order]
    values = affinity.matrix[np.ix_(order, order)].copy()
    np.fill_diagonal(values, np.nan)
    image = _squares(ax, values)
    _colour_bar(ax, image, values, affinity.unit)
    _names(ax, names)
    if len(names) <= _MOST_VALUES:
        _write_values(ax, values, image, affinity.unit)
    if grouping is not None:
        _mark_groups(ax, [grouping.serving.get(name) for name in names])
    known = values[np.isfinite(values)]
    finding(ax, f"{np.mean(known > 0):.0%} of the pairs help" if known.size else "No affinity is known")
    return ax


def _squares(ax: Axes, values: NDArray[np.float64]) -> AxesImage:
    from matplotlib import colormaps

    colours = colormaps["RdBu"].with_extremes(bad=(0.5, 0.5, 0.5, 0.25))
    sizes = np.abs(values[np.isfinite(values)])
    limit = (float(np.quantile(sizes, 0.98)) or float(sizes.max()) or 1.0) if sizes.size else 1.0
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    # "none" embeds one pixel per square in vector formats: crisp at any zoom and small at any number of tasks
    return ax.imshow(values, cmap=colours, vmin=-limit, vmax=limit, interpolation="none")


def _colour_bar(ax: Axes, image: AxesImage, values: NDArray[np.float64], unit: str) -> None:
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    figure, limit = ax.get_figure(), image.get_clim()[1]
    if figure is None:
        return
    known = values[np.isfinite(values)]
    above, below = bool((known > limit).any()), bool((known < -limit).any())
    extend = "both" if above and below else "max" if above else "min" if below else "neither"
    bar = figure.colorbar(image, ax=ax, shrink=0.6, aspect=28, pad=0.02, extend=extend)
    bar.locator = MaxNLocator(5, symmetric=True)
    if unit == "gain":
        bar.formatter = PercentFormatter(1.0)
    bar.update_ticks()
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelsize="small")
    bar.set_label("gain of the row's task, % of its loss alone" if unit == "gain" else unit, fontsize="small")


def _names(ax: Axes, names: list[str]) -> None:
    ax.set_xlabel("source: the task that helps", fontsize="small")
    ax.set_ylabel("target: the task that gains", fontsize="small")
    ax.tick_params(length=0)
    shown = [label(name, longest=20) for name in names] if len(names) <= MOST_NAMES else []
    size = min(9.0, 330 / max(len(names), 1))
    ax.set_xticks(range(len(shown)), shown, rotation=90, fontsize=size, parse_math=False)
    ax.set_yticks(range(len(shown)), shown, fontsize=size, parse_math=False)


def _write_values(ax: Axes, values: NDArray[np.float64], image: AxesImage, unit: str) -> None:
    scale, limit = 100 if unit == "gain" else 1, image.get_clim()[1]
    digits = max(0, 1 - math.floor(math.log10(limit * scale)))
    size = min(9.0, 110 / len(values))
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            colour = "white" if abs(value) > 0.62 * limit else "black"
            # + 0.0 turns a rounded -0.0 into 0.0
            text = f"{round(value * scale, digits) + 0.0:+.{digits}f}"
            ax.text(column, row, text, ha="center", va="center", color=colour, fontsize=size)


def _mark_groups(ax: Axes, groups: list[int | None]) -> None:
    """Give each group its number and colour along the left and upper side, and frame its squares."""
    from matplotlib.patches import Rectangle

    thickness = max(0.45, 0.028 * len(groups))
    start = -0.5 - 1.35 * thickness
    at = 0
    for group, members in groupby(groups):
        length = len(list(members))
        for x, y, width, height in (
            (start, at - 0.45, thickness, length - 0.1),
            (at - 0.45, start, length - 0.1, thickness),
        ):
            ax.add_patch(Rectangle((x, y), width, height, color=group_colour(group), linewidth=0))
            if group is not None:
                ax.text(
                    x + width / 2, y + height / 2, str(group + 1),
                    ha="center", va="center", color="white", fontsize=8, fontweight="bold",
                )  # fmt: skip
        ax.add_patch(Rectangle((at - 0.5, at - 0.5), length, length, fill=False, edgecolor="black", linewidth=1.2))
        at += length
    ax.set(xlim=(start, len(groups) - 0.5), ylim=(len(groups) - 0.5, start))
