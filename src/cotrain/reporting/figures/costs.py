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

CHOSEN, JUDGING = "chosen groups", "judging: every arm, every seed"
_ARMS: tuple[tuple[ArmName, str], ...] = (
    ("all-in-one", "all-in-one"),
    ("chosen", CHOSEN),
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
        In trainings of the all-in-one network: by FLOPs, by seconds where no FLOPs were counted; NaN where unknown.
    """

    label: str
    cost: Cost
    relative: float


def cost_rows(trained: TrainedGroups) -> tuple[CostRow, ...]:
    """Return the cost of one deployment of every arm, of the estimate, and of judging all arms over all seeds."""
    arms = trained.verdict.arms
    named = [(text, arms[name].cost) for name, text in _ARMS if name in arms]
    if trained.estimate is not None:
        named.append((f"estimate ({trained.estimate.method})", trained.estimate.cost))
    named.append((JUDGING, trained.cost))
    one = arms["all-in-one"].cost
    return tuple(CostRow(text, cost, _ratio(cost, one)) for text, cost in named)


def cost_bars(trained: TrainedGroups, *, ax: Axes | None = None) -> Axes:
    """Draw the cost of one deployment of every arm, and of the estimate, in trainings of the all-in-one network.

    What judging all arms over all seeds cost is in the title: beside it the bars that decide would vanish.

    Parameters
    ----------
    trained
        Trained groups.
    ax
        Where to draw; a new pyplot figure by default.
    """
    relative = {row.label: row.relative for row in cost_rows(trained) if row.relative > 0}
    judging = relative.pop(JUDGING, float("nan"))
    ax = axes_or_new(ax, rows_size(len(relative)))
    tidy(ax)
    colours = [BLUE if label == CHOSEN else UNGROUPED for label in relative]
    bars = ax.barh(list(relative), list(relative.values()), color=colours, height=0.62)
    ax.bar_label(bars, [f"{value:.3g}×" for value in relative.values()], padding=4, fontsize="small")
    ax.set_ylim(len(relative) - 0.5, -0.5)
    ax.margins(x=0.1)
    ax.set_xlabel("cost, × one training of the all-in-one network", fontsize="small")
    judged = f"; judging all arms cost {judging:,.0f}×" if judging > 0 else ""
    finding(ax, f"The chosen groups cost {relative.get(CHOSEN, float('nan')):.3g}× one network for all{judged}")
    return ax


def _ratio(cost: Cost, one: Cost) -> float:
    if one.flops > 0:
        return cost.flops / one.flops if cost.flops > 0 else float("nan")
    return cost.seconds / one.seconds if one.seconds > 0 else float("nan")
