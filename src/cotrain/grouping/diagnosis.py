"""Why each task is where it is, where else it could go, and which uncertain pair decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import norm

from cotrain import checks
from cotrain.problem.task import Subset


class DecidingPair(NamedTuple):
    """An entry of the affinity whose error bar alone could move a task; ``share`` of the margin it covers."""

    target: str
    source: str
    share: float


@dataclass(frozen=True)
class Placement:
    """Where a task is and the best other place for it.

    Parameters
    ----------
    task
        Its name.
    group
        The group that serves it.
    received
        Mean affinity it receives from the others there; zero alone.
    alternative
        The best other group for it, itself included (a group of its own where that is best); empty if there is none.
    margin
        What moving there would lose; below zero if it would gain.
    standard_error
        Of the margin, entries taken as independent; NaN where the affinity has no standard errors.
    deciding
        Entries whose error bar alone could flip the choice, the strongest first.
    """

    task: str
    group: Subset
    received: float
    alternative: Subset
    margin: float
    standard_error: float
    deciding: tuple[DecidingPair, ...]


@dataclass(frozen=True)
class Diagnosis:
    """Placements of all tasks of a grouping.

    Parameters
    ----------
    placements
        One for each task, in the grouping's order.
    confidence
        Level of the error bars.

    Examples
    --------
    >>> from cotrain.affinity.affinity import Affinity
    >>> from cotrain.grouping.diagnostics import diagnose
    >>> from cotrain.grouping.grouping import Grouping
    >>> affinity = Affinity.from_matrix(
    ...     "abc", [[0, 0.3, 0.2], [0.3, 0, -0.1], [0.1, -0.1, 0]], standard_error=np.full((3, 3), 0.2)
    ... )
    >>> diagnosis = diagnose(Grouping.from_groups(["ab", "c"]), affinity)
    >>> print(diagnosis.explain("c"))
    c trains alone. Next best is {a, b, c}, worse by 0.067 (+- 0.277 at 95 %): the estimate cannot tell them apart. The
    error bar of a <- c alone could flip it, and 3 more.
    """

    placements: tuple[Placement, ...]
    confidence: float

    def __getitem__(self, task: str) -> Placement:
        by_name = {placement.task: placement for placement in self.placements}
        checks.one_of("task", task, tuple(by_name))
        return by_name[task]

    def to_frame(self) -> pd.DataFrame:
        """Return one row per task: its group, the best other one, the margin between them and its error."""
        columns = ["task", "group", "received", "alternative", "margin", "standard_error", "deciding"]
        rows = [
            (
                place.task,
                ", ".join(place.group),
                place.received,
                ", ".join(place.alternative),
                place.margin,
                place.standard_error,
                ", ".join(f"{pair.target} <- {pair.source}" for pair in place.deciding),
            )
            for place in self.placements
        ]
        return pd.DataFrame(rows, columns=columns)

    def uncertain(self) -> tuple[str, ...]:
        """Return the tasks whose place the error bars leave open, the most open first."""
        reach = self._reach
        open_tasks = [place for place in self.placements if place.margin < reach * place.standard_error]
        return tuple(place.task for place in sorted(open_tasks, key=lambda p: p.margin / p.standard_error))

    def explain(self, task: str) -> str:
        """Return a few plain sentences on why a task is where it is."""
        place = self[task]
        others = [name for name in place.group if name != task]
        first = f"{task} trains with {', '.join(others)}" if others else f"{task} trains alone"
        first += f" and receives {place.received:.3f} on average." if others else "."
        if not place.alternative:
            return f"{first} There is no other place for it."
        listed = "{" + ", ".join(place.alternative) + "}"
        return f"{first} Next best is {listed}, {self._margin(place)}"

    @property
    def _reach(self) -> float:
        return float(norm.ppf(0.5 + self.confidence / 2))

    def _margin(self, place: Placement) -> str:
        size = f"{'worse' if place.margin >= 0 else 'better'} by {abs(place.margin):.3f}"
        if np.isnan(place.standard_error):
            return f"{size}; the affinity has no error bars."
        half = self._reach * place.standard_error
        text = f"{size} (+- {half:.3f} at {self.confidence:.0%}): ".replace("%", " %")
        if place.margin >= half:
            return f"{text}the difference is beyond the error bars."
        return f"{text}the estimate cannot tell them apart.{_deciding(place.deciding)}"


def _deciding(pairs: tuple[DecidingPair, ...]) -> str:
    if not pairs:
        return ""
    more = f", and {len(pairs) - 1} more" if len(pairs) > 1 else ""
    return f" The error bar of {pairs[0].target} <- {pairs[0].source} alone could flip it{more}."
