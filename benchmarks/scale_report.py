"""What the runs of ``scale.py`` say: a table, growth, and the projection to full size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

STAGES = (
    "generate",
    "features",
    "base training",
    "basis",
    "gradient store",
    "subset fits",
    "validation losses",
    "affinities with SE",
    "selection",
)
FULL = {"size": "1", "edges": 21_000_000, "nodes": 840_000, "tasks": 500, "subsets": 20_501, "pairs": 378_000_000}
Counts = Mapping[str, Any]
WORK: dict[str, tuple[str, Callable[[Counts], float]]] = {
    "features": ("edges + nodes x tasks", lambda run: run["edges"] + run["nodes"] * run["tasks"]),
    "base training": ("nodes x (features + tasks)", lambda run: run["nodes"] * (192 + run["tasks"])),
    "basis": ("tasks, at a fixed number of landmark rows", lambda run: run["tasks"]),
    "gradient store": ("(row, task) pairs", lambda run: run["pairs"]),
    "subset fits": ("subsets x rows", lambda run: run["subsets"] * run["nodes"]),
    "validation losses": ("subsets x rows", lambda run: run["subsets"] * run["nodes"]),
    "affinities with SE": ("subsets x tasks²", lambda run: run["subsets"] * run["tasks"] ** 2),
}


def markdown(runs: Sequence[Counts], setting: Counts) -> str:
    return "\n".join([*_head(setting), *_table(runs), "", *_quality(runs), "", *_growth(runs), *_projection(runs), ""])


def _head(setting: Counts) -> list[str]:
    return [
        "# From edges to groups, by size",
        "",
        "Node tasks on a generated power-law graph with planted overlapping communities in families of ten; sizes are",
        "shares of 21 million edges and 840 thousand nodes. Wall seconds / CPU seconds / peak resident MB by stage.",
        "Structural features (64) and two hops of propagation, one hidden layer of 64, d = 100, float16 store on disk,",
        "40 subsets of ten tasks for every task, one correction per fit, standard errors over subsets.",
        "Written by `python benchmarks/scale.py`; "
        + ", ".join(f"{name} {value}" for name, value in setting.items())
        + ".",
        "",
    ]


def _table(runs: Sequence[Counts]) -> list[str]:
    heads = [f"{run['size']}, {run['tasks']} tasks" for run in runs]
    lines = ["| stage | " + " | ".join(heads) + " |", "|---|" + "---|" * len(runs)]
    for name, key in (
        ("nodes", "nodes"),
        ("edges drawn", "edges"),
        ("subsets", "subsets"),
        ("(row, task) pairs", "pairs"),
    ):
        lines.append(f"| {name} | " + " | ".join(f"{run[key]:,}" for run in runs) + " |")
    lines.append("| store on disk, MB | " + " | ".join(f"{run['store_megabytes']:,.0f}" for run in runs) + " |")
    for stage in STAGES:
        cells = [run["stages"][stage] for run in runs]
        shown = [f"{one['seconds']:.1f} / {one['cpu_seconds']:.1f} / {one['peak_megabytes']:.0f}" for one in cells]
        lines.append(f"| {stage} | " + " | ".join(shown) + " |")
    totals = [[sum(one[key] for one in run["stages"].values()) for key in ("seconds", "cpu_seconds")] for run in runs]
    lines.append("| **all** | " + " | ".join(f"{wall:.1f} / {cpu:.1f} /" for wall, cpu in totals) + " |")
    return lines


def _quality(runs: Sequence[Counts]) -> list[str]:
    head = ("", "AUC of the base", "affinity within families", "between", "standard error", "separation")
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for run in runs:
        parts = (run["within_family"], run["between_families"], run["standard_error"])
        shown = " | ".join(f"{part:+.4f}" for part in parts)
        lines.append(f"| {run['size']}, {run['tasks']} tasks | {run['auc']:.3f} | {shown} | {run['separation']:.3f} |")
    return [
        *lines,
        "",
        "AUC: mean over tasks on validation nodes. Communities of a family share members. Separation: how often a",
        "partner of a task's own family outranks another one in its row (0.5: by chance). The base's one epoch and the",
        "ridge strength were chosen at 1/400; `scale_families.md` has longer training, and what trained subsets say.",
    ]


def _growth(runs: Sequence[Counts]) -> list[str]:
    """Compare runs that differ in one thing only."""
    lines = []
    for one in runs:
        for other in runs:
            larger = Fraction(other["size"]) > Fraction(one["size"]) and one["tasks"] == other["tasks"]
            more = one["size"] == other["size"] and other["tasks"] > one["tasks"]
            if larger or more:
                grown = Fraction(other["size"]) / Fraction(one["size"]) if larger else other["tasks"] / one["tasks"]
                taken = _cpu(other) / _cpu(one)
                what = f"edges and nodes ({one['tasks']} tasks)" if larger else f"tasks (size {one['size']})"
                lines.append(f"- {float(grown):.1f} times the {what}: {taken:.1f} times the CPU seconds, all stages.")
    return lines


def _cpu(run: Counts) -> float:
    return float(sum(stage["cpu_seconds"] for stage in run["stages"].values()))


def _projection(runs: Sequence[Counts]) -> list[str]:
    """Scale the largest run's CPU seconds by each stage's work."""
    run = max(runs, key=lambda one: one["pairs"])
    lines = [
        "",
        "## Projected to 21 million edges and 500 tasks",
        "",
        f"CPU seconds of the run at {run['size']} with {run['tasks']} tasks, times the ratio of each stage's work.",
        "Selection is left out: it depends on tasks alone and not by a known power. An extrapolation by factors of",
        "hundreds from one thread of a busy machine: nothing between was measured, and waiting for disks is not in it.",
        "",
        "| stage | measured | work | ratio | projected CPU hours |",
        "|---|---|---|---|---|",
    ]
    total = 0.0
    for stage, (unit, work) in WORK.items():
        seconds, ratio = run["stages"][stage]["cpu_seconds"], work(FULL) / work(run)
        total += seconds * ratio / 3600
        lines.append(f"| {stage} | {seconds:.1f} | {unit} | {ratio:,.0f} | {seconds * ratio / 3600:.2f} |")
    stored = run["store_megabytes"] / 1000 * FULL["pairs"] / run["pairs"]
    lines.append(f"| **all** | | | | **{total:.1f}** |")
    lines += ["", f"The store would take {stored:,.0f} GB on disk ({FULL['pairs']:,} pairs)."]
    return lines
