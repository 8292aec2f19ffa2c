"""Results as people and machines read them."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cotrain.affinity.affinity import Affinity
    from cotrain.cli.stages import Outcome
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


def outcome_content(outcome: Outcome, folder: Path, report: str) -> dict[str, Any]:
    """Return a finished run as plain values."""
    verdict = outcome.verdict
    return {
        "problem": outcome.problem.name,
        "advice": verdict.advice,
        "sentence": verdict.sentence,
        "grouping": grouping_content(outcome.grouping),
        "arms": verdict.arms_frame().to_dict("records"),
        "comparisons": [asdict(comparison) for comparison in verdict.comparisons],
        "tasks": verdict.to_frame().to_dict("records"),
        "warnings": outcome.affinity.warnings if outcome.affinity else (),
        "folder": str(folder),
        "report": str(folder / report),
    }


def affinity_text(affinity: Affinity) -> str:
    """Return an affinity as a table and its warnings."""
    table = affinity.to_frame().to_string(float_format="{:.3f}".format)
    return "\n".join([table, *(f"warning: {warning}" for warning in affinity.warnings)])


def grouping_text(grouping: Grouping) -> str:
    """Return a grouping as lines, one per network."""
    lines = [f"network {number}: {', '.join(group)}" for number, group in enumerate(grouping.groups, start=1)]
    return "\n".join([*lines, *(f"note: {note}" for note in grouping.notes)])


def outcome_text(outcome: Outcome, folder: Path, report: str) -> str:
    """Return a finished run as text: groups, arms, advice, where the report lies."""
    arms = outcome.verdict.arms_frame().to_string(index=False, float_format="{:.4g}".format)
    parts = (grouping_text(outcome.grouping), arms, outcome.verdict.sentence, f"report: {folder / report}")
    return "\n\n".join(parts)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value
