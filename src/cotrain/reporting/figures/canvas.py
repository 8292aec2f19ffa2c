"""What every figure shares: axes to draw on, sizes that grow with the data, colours, labels that cannot misbehave."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 7.4
"""Inches; the report's column."""
BLUE, ORANGE = "#2b7bba", "#d95f02"
GROUP_COLOURS = ("#2b7bba", "#d95f02", "#1b9e77", "#b65a9a", "#c79a00", "#56b4e9", "#7a6ff0", "#8c6d4f")
"""Told apart also without red or green; groups carry their number as well, since colours repeat after eight."""
UNGROUPED = "#9aa0a6"


def axes_or_new(ax: Axes | None, size: tuple[float, float]) -> Axes:
    """Return ``ax``, or the axes of a new pyplot figure so that notebooks and ``plt.show()`` display it."""
    if ax is not None:
        return ax
    from matplotlib import pyplot as plt

    return plt.figure(figsize=size, layout="constrained").add_subplot()


def rows_size(rows: int) -> tuple[float, float]:
    """Return the size of a figure with one line per task or arm."""
    return WIDTH, 1.1 + 0.27 * max(rows, 2)


def matrix_size(tasks: int) -> tuple[float, float]:
    """Return the size of a figure with one square per pair of tasks."""
    return WIDTH, 6.6 if tasks > 8 else 3.0 + 0.4 * tasks


def group_colour(group: int | None) -> str:
    """Return the colour of a group by its position; grey without one."""
    return UNGROUPED if group is None else GROUP_COLOURS[group % len(GROUP_COLOURS)]


def label(name: str, *, longest: int = 26) -> str:
    """Return a task name for display: printable characters only, the middle left out when too long.

    Examples
    --------
    >>> label("a" * 30 + "b" * 30, longest=9)
    'aaaa…bbbb'
    """
    shown = "".join(character if character.isprintable() else "\ufffd" for character in name)
    if len(shown) <= longest:
        return shown
    half = (longest - 1) // 2
    return f"{shown[: longest - 1 - half]}…{shown[-half:]}"


def tidy(ax: Axes) -> None:
    """Drop what carries no information: the frame's upper and right side, tick marks."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(length=0)


def finding(ax: Axes, text: str, *, pad: float = 6.0) -> None:
    """Title the axes with what they show, flush left."""
    ax.set_title(text, loc="left", fontsize="medium", fontweight="bold", pad=pad)


def ink() -> str:
    """Return the reader's own text colour, so that figures follow a dark style."""
    import matplotlib as mpl

    return str(mpl.rcParams["text.color"])
