"""What every arm costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cotrain.cost import Cost
from cotrain.evaluation.trained import TrainedGroups
from cotrain.evaluation.verdict import ArmName
from cotrain.reporting.figures.canvas import BLUE, UNGROUPED, axes_or_new, finding, rows_size, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ARMS: tuple[tuple[ArmName, str], ...] = (
    ("all-in-one", "all-in-one"),
    ("chosen", "chosen groups"),
    ("random", "random groups"),
    ("one-per-task", "one per task"),
)


@dataclass(frozen=True)
class CostRow:
    """One line of the cost table.

    Parameters
    ----------
    label
        What was done.
    cost
        What it took.
    relative
        In trainings of the all-in-one network: by FLOPs, by seconds where FLOPs were not counted.
    """

    label: str
    cost: Cost
    relative: float


def cost_rows(trained: TrainedGroups) -> tuple[CostRow, ...]:
    """Return the cost of one deployment of every arm, of the estimate, and of the whole run."""
    arms = trained.verdict.arms
    named = [(text, arms[name].cost) for name, text in _ARMS if name in arms]
    if trained.estimate is not None:
        named.append((f"estimate ({trained.estimate.method})", trained.estimate.cost))
    named.append(("whole run", trained.cost))
    one = arms["all-in-one"].cost
    return tuple(CostRow(text, cost, _ratio(cost, one)) for text, cost in named)


def cost_bars(trained: TrainedGroups, *, ax: Axes | None = None) -> Axes:
    """Draw the cost of every arm, of the estimate and of the whole run in trainings of the all-in-one network.

    Parameters
    ----------
    trained
        Trained groups.
    ax
        Where to draw; a new pyplot figure by default.
    """
    rows = [row for row in cost_rows(trained) if row.relative > 0]
    ax = axes_or_new(ax, rows_size(len(rows)))
    tidy(ax)
    colours = [BLUE if row.label == "chosen groups" else UNGROUPED for row in rows]
    bars = ax.barh([row.label for row in rows], [row.relative for row in rows], color=colours, height=0.62)
    ax.bar_label(bars, [f"{row.relative:.3g}×" for row in rows], padding=4, fontsize="small")
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.margins(x=0.1)
    ax.set_xlabel("cost, × one training of the all-in-one network", fontsize="small")
    chosen = next((row.relative for row in rows if row.label == "chosen groups"), float("nan"))
    finding(ax, f"The chosen groups cost {chosen:.3g} × one network for all tasks")
    return ax


def _ratio(cost: Cost, one: Cost) -> float:
    if one.flops > 0:
        return cost.flops / one.flops
    return cost.seconds / one.seconds if one.seconds > 0 else float("nan")
