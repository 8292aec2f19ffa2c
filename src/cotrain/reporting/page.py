"""The report: one HTML file that opens offline, fetches nothing and runs nothing."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from cotrain import checks, files
from cotrain.evaluation.trained import TrainedGroups
from cotrain.reporting import figures
from cotrain.reporting.figures.canvas import WIDTH, group_colour, matrix_size, rows_size
from cotrain.reporting.figures.costs import cost_rows
from cotrain.reporting.figures.estimated_vs_measured import SIZE
from cotrain.reporting.figures.gains import MOST_TASKS
from cotrain.reporting.summary import summary
from cotrain.reporting.svg import render

_WIDE = (WIDTH, WIDTH * 0.93)


def report(trained: TrainedGroups, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write the outcome of :func:`cotrain.train` as one self-contained HTML page.

    From top to bottom: the advice in one sentence, the groups, gains per task over both baselines, the clustered
    affinities, estimated against measured gains, every arm's figures, costs, proof and warnings, and the settings that
    replay the run. Every figure is also a function in :mod:`cotrain.reporting.figures`.

    Parameters
    ----------
    trained
        What to report.
    path
        Ends in ``.html``.
    overwrite
        Replace an existing file.

    Returns
    -------
    pathlib.Path
        Where the page lies.

    Raises
    ------
    InputError
        When the file exists already or has another suffix.
    """
    path = Path(path)
    checks.one_of("path", path.suffix, (".html",))
    files.refuse_overwriting(path, overwrite=overwrite)
    files.write_text(path, page(trained))
    return path


def page(trained: TrainedGroups) -> str:
    """Return the page as text."""
    environment = Environment(
        loader=PackageLoader("cotrain.reporting"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"figure": _figure, "percent": _percent, "short": _short, "toml": _flat_settings}
    content = summary(trained)
    return environment.get_template("page.html.j2").render(
        **content, chips=_chips(trained), figures=_figures(trained), shares=_shares(content["arms"])
    )


def _figures(trained: TrainedGroups) -> dict[str, Markup]:
    verdict, tasks = trained.verdict, len(trained.verdict.tasks)
    drawn = {
        "arms": render("arms", rows_size(len(verdict.arms)), lambda ax: figures.gain_of_arms(verdict, ax=ax)),
        "gains": render("gains", rows_size(min(tasks, MOST_TASKS)), lambda ax: figures.gain_per_task(verdict, ax=ax)),
        "costs": render("costs", rows_size(len(cost_rows(trained))), lambda ax: figures.cost_bars(trained, ax=ax)),
    }
    estimate = trained.estimate
    if estimate is not None:
        size = matrix_size(tasks) if tasks <= MOST_TASKS else _WIDE
        drawn["affinity"] = render(
            "affinity", size, lambda ax: figures.affinity_heatmap(estimate, trained.grouping, ax=ax)
        )
        drawn["estimate"] = render("estimate", SIZE, lambda ax: figures.estimated_vs_measured(trained, ax=ax))
    # Safe to mark: matplotlib escapes every text it writes.
    return {name: Markup(svg) for name, svg in drawn.items()}  # noqa: S704


def _chips(trained: TrainedGroups) -> list[dict[str, Any]]:
    serving = trained.grouping.serving
    return [
        {
            "number": number + 1,
            "colour": group_colour(number),
            "served": [name for name in group if serving.get(name) == number],
            "helpers": [name for name in group if serving.get(name) != number],
        }
        for number, group in enumerate(trained.grouping.groups)
    ]


def _shares(arms: list[Mapping[str, Any]]) -> dict[str, float]:
    """Return each arm's training cost in all-in-one trainings."""
    one = next(arm["GFLOPs"] for arm in arms if arm["arm"] == "all-in-one")
    return {arm["arm"]: arm["GFLOPs"] / one if one else math.nan for arm in arms}


def _figure(value: float, digits: int = 4) -> str:
    return f"{value:.{digits}g}" if math.isfinite(value) else "–"


def _percent(value: float) -> str:
    return f"{value:+.1%}" if math.isfinite(value) else "–"


def _short(value: float) -> str:
    return f"{value:,.3g}" if math.isfinite(value) else "–"


def _flat_settings(settings: Mapping[str, Any]) -> str:
    return json.dumps(settings, indent=2, default=str)
