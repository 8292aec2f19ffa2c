"""What every grouper promises."""

from __future__ import annotations

from typing import ClassVar, Protocol

from cotrain.affinity.affinity import Affinity
from cotrain.grouping.grouping import Grouping


class Grouper(Protocol):
    """Chooses groups. Small, immutable and comparable: parameters in the constructor, nothing computed there."""

    name: ClassVar[str]
    citation: ClassVar[str]

    def group(self, affinity: Affinity) -> Grouping:
        """Return the best grouping found, with what is proven about it."""
        ...
