"""Names of the groupers, as ``cotrain.group(method=...)`` and the command line know them."""

from __future__ import annotations

from cotrain.grouping.average_density import AverageDensity
from cotrain.grouping.base import Grouper

GROUPERS: dict[str, type[Grouper]] = {grouper.name: grouper for grouper in (AverageDensity,)}
"""Name -> class; every class can be built without arguments."""
