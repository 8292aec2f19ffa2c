"""A grouping after training: its networks and the verdict on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cotrain.affinity.affinity import Affinity
from cotrain.cost import Cost
from cotrain.evaluation.verdict import Verdict
from cotrain.grouping.grouping import Grouping
from cotrain.training.fit import Fit


@dataclass(frozen=True, eq=False)
class TrainedGroups:
    """The outcome of :func:`cotrain.train`.

    Parameters
    ----------
    name
        The problem's name.
    grouping
        Who trained with whom.
    verdict
        Whether it paid off, on test data.
    fits
        Seed -> one fit per group, in the order of ``grouping.groups``.
    estimate
        The affinity the grouping came from, where there was one.
    cost
        What all arms cost together.
    settings
        Everything needed to replay the run, as plain values: options, seeds, versions, device, data fingerprint.
    """

    name: str
    grouping: Grouping
    verdict: Verdict
    fits: Mapping[int, tuple[Fit, ...]]
    estimate: Affinity | None = None
    cost: Cost = field(default_factory=Cost)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"TrainedGroups({self.name!r}: {len(self.grouping.groups)} groups, {self.verdict.advice})"
