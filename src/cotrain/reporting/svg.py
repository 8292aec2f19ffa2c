"""Figures as SVG that can stand in a page: text stays text, ink follows the page, no two share an id."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

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


@dataclass(frozen=True)
class Drawing:
    """A figure on a page: its title as plain text, which wraps on a narrow screen, and the rest as one ``<svg>``."""

    title: str
    svg: Markup


def render(name: str, size: tuple[float, float], draw: Callable[[Axes], object]) -> Drawing:
    """Return what ``draw`` puts on the axes of a new figure.

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
    >>> drawing = render("empty", (2, 1), lambda ax: ax.set_title("Nothing", loc="left"))
    >>> drawing.title, str(drawing.svg[:4])
    ('Nothing', '<svg')
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}), warnings.catch_warnings():
        # The browser writes the text, in fonts of its own.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=size, layout="constrained")
        ax = figure.add_subplot()
        draw(ax)
        title = ax.get_title(loc="left")
        ax.set_title("", loc="left")
        stream = io.StringIO()
        figure.savefig(stream, format="svg", transparent=True, metadata=_NO_METADATA)
    # Safe to mark: matplotlib escapes every text it writes.
    return Drawing(title, Markup(_embeddable(stream.getvalue(), name)))  # noqa: S704


def _embeddable(document: str, name: str) -> str:
    svg = document[document.index("<svg") :].strip()
    for foreign in (r"<metadata>.*?</metadata>", r"<style.*?</style>"):
        svg = re.sub(foreign, "", svg, flags=re.DOTALL)
    # Only within tags, so that no task name is touched: matplotlib escapes < and > everywhere else.
    return re.sub(r"<[^>]*>", lambda tag: _own(tag.group(), name), svg)


def _own(tag: str, name: str) -> str:
    if tag.startswith("<svg"):
        tag = re.sub(r' (width|height|version|xmlns(:xlink)?)="[^"]*"', "", tag)
    tag = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", tag)
    return tag.replace("xlink:href", "href").replace(_INK, "currentColor")
