"""Figures as SVG that can stand in a page: text stays text, ink follows the page, no two share an id."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INK = "#010203"
"""A colour nobody else uses: it becomes the page's own text colour, in light and dark."""
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "grid.color": "#80808040",
    **dict.fromkeys(
        ("text.color", "axes.edgecolor", "axes.labelcolor", "axes.titlecolor", "xtick.color", "ytick.color"), _INK
    ),
}
_NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))


def render(name: str, size: tuple[float, float], draw: Callable[[Axes], object]) -> str:
    """Return what ``draw`` puts on the axes of a new figure as one ``<svg>`` element.

    The same figure gives the same text: no date, and ids that derive from ``name``.

    Parameters
    ----------
    name
        Unique within the page.
    size
        Inches.
    draw
        Called with the axes.

    Examples
    --------
    >>> render("empty", (2, 1), lambda ax: ax.set_axis_off())[:4]
    '<svg'
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure.add_subplot())
        stream = io.StringIO()
        figure.savefig(stream, format="svg", transparent=True, metadata=_NO_METADATA)
    return _embeddable(stream.getvalue(), name)


def _embeddable(document: str, name: str) -> str:
    svg = document[document.index("<svg") :].strip()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r'^<svg([^>]*?) width="[^"]*"', r"<svg\1", svg)
    svg = re.sub(r'^<svg([^>]*?) height="[^"]*"', r"<svg\1", svg)
    return svg.replace(_INK, "currentColor")
