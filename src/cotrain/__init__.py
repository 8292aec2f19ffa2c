"""Find out which tasks should train together.

Verbs, plain results: :func:`estimate` who helps whom, :func:`group` the tasks under a budget, :func:`train` the
groups beside their obvious alternatives, :func:`report` the verdict, :func:`measure` losses of subsets and
:func:`evaluate` affinities against them. ``import cotrain`` is light: torch and the rest are imported when a name is
first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from cotrain._version import __version__

if TYPE_CHECKING:
    from cotrain.affinity.affinity import Affinity
    from cotrain.affinity.subset_losses import SubsetLosses
    from cotrain.api import estimate, evaluate, group, measure, report, suggest, train
    from cotrain.evaluation.trained import TrainedGroups
    from cotrain.grouping.grouping import Grouping
    from cotrain.problem.problem import Problem
    from cotrain.problem.task import Task

__all__ = [
    "Affinity",
    "Grouping",
    "Problem",
    "SubsetLosses",
    "Task",
    "TrainedGroups",
    "__version__",
    "estimate",
    "evaluate",
    "group",
    "measure",
    "report",
    "suggest",
    "train",
]

_HOMES = {
    "Affinity": "cotrain.affinity.affinity",
    "Grouping": "cotrain.grouping.grouping",
    "Problem": "cotrain.problem.problem",
    "SubsetLosses": "cotrain.affinity.subset_losses",
    "Task": "cotrain.problem.task",
    "TrainedGroups": "cotrain.evaluation.trained",
    "estimate": "cotrain.api",
    "evaluate": "cotrain.api",
    "group": "cotrain.api",
    "measure": "cotrain.api",
    "report": "cotrain.api",
    "suggest": "cotrain.api",
    "train": "cotrain.api",
}
_ROOMS = frozenset(
    {
        "affinity",
        "errors",
        "evaluation",
        "gradients",
        "grouping",
        "models",
        "problem",
        "reporting",
        "sklearn",
        "training",
    }
)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
    elif name in _ROOMS:
        value = importlib.import_module(f"cotrain.{name}")
    else:
        raise AttributeError(f"module 'cotrain' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, *_ROOMS})
