"""The report: one HTML file that opens offline, fetches nothing and runs nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from cotrain import checks, files
from cotrain.errors import InputError
from cotrain.evaluation.trained import TrainedGroups
from cotrain.evaluation.verdict import Advice, Comparison
from cotrain.reporting import formats
from cotrain.reporting.drawings import drawings
from cotrain.reporting.figures.affinity_heatmap import MOST_NAMES
from cotrain.reporting.figures.canvas import group_colour
from cotrain.reporting.figures.ordering import clustered_order
from cotrain.reporting.summary import summary

_HEADLINES: dict[Advice, str] = {
    "group so": "Train these groups",
    "train all together": "Train all tasks together",
    "train alone": "Train every task alone",
    "no difference beyond noise": "No difference beyond noise",
}


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
        When the file exists already, has another suffix, or lies in a folder that does not exist.
    """
    path = Path(path)
    checks.one_of("path", path.suffix, (".html",))
    files.refuse_overwriting(path, overwrite=overwrite)
    if not path.parent.is_dir():
        raise InputError(f"`path` must lie in an existing folder. '{path.parent}' does not exist.")
    files.write_text(path, page(trained))
    return path


def page(trained: TrainedGroups) -> str:
    """Return the page as text."""
    environment = Environment(
        loader=PackageLoader("cotrain.reporting"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {name: getattr(formats, name) for name in ("fixed", "short", "percent", "plain")}
    environment.globals |= {"interval": formats.interval, "colour": group_colour}
    verdict = trained.verdict
    return environment.get_template("page.html.j2").render(
        **summary(trained),
        headline=_HEADLINES[verdict.advice],
        tiles=[_tile(verdict.comparison("one-per-task")), _tile(verdict.comparison("all-in-one"))],
        figures=drawings(trained),
        heat_map_order=_heat_map_order(trained),
        one_metric=len(set(verdict.metrics)) == 1,
        seeds=len(verdict.arms["chosen"].test_loss),
    )


def _tile(comparison: Comparison) -> dict[str, Any]:
    over = {"one-per-task": "one network per task", "all-in-one": "one network for all"}[comparison.baseline]
    tone = ("good" if comparison.gain > 0 else "bad") if comparison.beyond_noise else "open"
    return {"over": over, "tone": tone, "gain": comparison.gain, "low": comparison.low, "high": comparison.high}


def _heat_map_order(trained: TrainedGroups) -> list[str]:
    """Return the names of the heat map's rows where there are too many to write them beside it."""
    estimate = trained.estimate
    if estimate is None or len(estimate.tasks) <= MOST_NAMES:
        return []
    return [estimate.tasks[position] for position in clustered_order(estimate, trained.grouping)]
