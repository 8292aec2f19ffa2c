"""The page's figures, in the size of its column."""

from __future__ import annotations

from cotrain.evaluation.trained import TrainedGroups
from cotrain.reporting import figures
from cotrain.reporting.estimate_check import check_estimate
from cotrain.reporting.figures.canvas import matrix_size, rows_size
from cotrain.reporting.figures.costs import cost_rows
from cotrain.reporting.figures.estimated_vs_measured import SIZE
from cotrain.reporting.figures.gains import lines_of
from cotrain.reporting.svg import Drawing, render


def drawings(trained: TrainedGroups) -> dict[str, Drawing]:
    """Return every figure by name; ``affinity`` and ``estimate`` only where they have something to show."""
    verdict, estimate = trained.verdict, trained.estimate
    costs, gains = rows_size(len(cost_rows(trained))), rows_size(lines_of(verdict))
    drawn = {
        "arms": render("arms", rows_size(len(verdict.arms)), lambda ax: figures.gain_of_arms(verdict, ax=ax)),
        "gains": render("gains", gains, lambda ax: figures.gain_per_task(verdict, ax=ax)),
        "costs": render("costs", costs, lambda ax: figures.cost_bars(trained, ax=ax)),
    }
    if estimate is not None and len(estimate.tasks) > 1:
        size = matrix_size(len(estimate.tasks))
        drawn["affinity"] = render(
            "affinity", size, lambda ax: figures.affinity_heatmap(estimate, trained.grouping, ax=ax)
        )
    if check_estimate(trained) is not None:
        drawn["estimate"] = render("estimate", SIZE, lambda ax: figures.estimated_vs_measured(trained, ax=ax))
    return drawn
