"""A trained grouping in plain values: what the page is filled with and what ``report.json`` holds."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from cotrain.evaluation.trained import TrainedGroups
from cotrain.reporting.estimate_check import check_estimate
from cotrain.reporting.figures.costs import cost_rows
from cotrain.reporting.task_rows import task_rows


def summary(trained: TrainedGroups) -> dict[str, Any]:
    """Return the outcome as plain values: strings, numbers, lists and dictionaries.

    Parameters
    ----------
    trained
        Trained groups.
    """
    verdict, grouping = trained.verdict, trained.grouping
    return {
        "problem": trained.name,
        "advice": verdict.advice,
        "sentence": verdict.sentence,
        "groups": [list(group) for group in grouping.groups],
        "serving": dict(grouping.serving),
        "proof": {name: getattr(grouping, name) for name in ("method", "objective", "bound", "gap", "proof", "status")},
        "notes": list(grouping.notes),
        "arms": verdict.arms_frame().to_dict("records"),
        "comparisons": [asdict(comparison) for comparison in verdict.comparisons],
        "tasks": task_rows(trained),
        "costs": [{"what": row.label, "relative": row.relative, **row.cost.to_dict()} for row in cost_rows(trained)],
        "estimate": _estimate(trained),
        "settings": dict(trained.settings),
        "citations": _citations(trained),
    }


def _estimate(trained: TrainedGroups) -> dict[str, Any]:
    if trained.estimate is None:
        return {}
    check = check_estimate(trained)
    found = {} if check is None else {"pearson": check.pearson, "spearman": check.spearman}
    return {"method": trained.estimate.method, "warnings": list(trained.estimate.warnings), **found}


def _citations(trained: TrainedGroups) -> list[str]:
    texts = [trained.estimate.citation if trained.estimate else "", trained.grouping.citation]
    return [text for text in texts if text]
