"""Results as people and machines read them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cotrain.affinity.affinity import Affinity
    from cotrain.grouping.grouping import Grouping


def as_json(content: Any) -> str:
    """Return content as JSON; figures that are not finite become null."""
    return json.dumps(_plain(content), indent=2, allow_nan=False)


def affinity_content(affinity: Affinity) -> dict[str, Any]:
    """Return an affinity as plain values."""
    return {
        "tasks": affinity.tasks,
        "method": affinity.method,
        "unit": affinity.unit,
        "matrix": affinity.matrix.tolist(),
        "standard_error": affinity.standard_error.tolist(),
        "warnings": affinity.warnings,
        "cost": affinity.cost.to_dict(),
    }


def grouping_content(grouping: Grouping) -> dict[str, Any]:
    """Return a grouping as plain values."""
    names = ("groups", "objective", "bound", "gap", "proof", "method", "status", "notes")
    return {**{name: getattr(grouping, name) for name in names}, "serving": dict(grouping.serving)}


def affinity_text(affinity: Affinity) -> str:
    """Return an affinity as a table and its warnings."""
    table = affinity.to_frame().to_string(float_format="{:.3f}".format)
    return "\n".join([table, *(f"warning: {warning}" for warning in affinity.warnings)])


def grouping_text(grouping: Grouping) -> str:
    """Return a grouping as lines, one per network."""
    return _lines(grouping.groups, grouping.notes)


def outcome_text(outcome: Mapping[str, Any]) -> str:
    """Return a finished run as text: groups, arms, advice."""
    import pandas as pd

    arms = pd.DataFrame(outcome["arms"]).to_string(index=False, float_format="{:.4g}".format)
    warnings = outcome["estimate"].get("warnings", ())
    return "\n\n".join([_lines(outcome["groups"], outcome["notes"], warnings), arms, outcome["sentence"]])


def _lines(groups: Iterable[Iterable[str]], notes: Iterable[str], warnings: Iterable[str] = ()) -> str:
    lines = [f"network {number}: {', '.join(group)}" for number, group in enumerate(groups, start=1)]
    remarks = [f"note: {note}" for note in notes] + [f"warning: {warning}" for warning in warnings]
    return "\n".join([*lines, *remarks])


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return str(value) if isinstance(value, datetime) else value
