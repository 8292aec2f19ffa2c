"""Choosing groups: time, proof and objective against the published ways and against brute force.

Run ``OMP_NUM_THREADS=1 python benchmarks/grouping.py``, or with names of sections to run only those and keep the other
results; it writes ``benchmarks/results/grouping.json`` and ``grouping.md``. Times are CPU seconds of one thread
(``process_time``), so that ratios within one run are the result.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import cvxpy
import grouping_density as density
import grouping_large as large
import grouping_selection as selection
import numpy as np
import scipy
from threadpoolctl import threadpool_limits

RESULTS = Path(__file__).parent / "results"
Rows = list[dict[str, Any]]


class Section(NamedTuple):
    """A table: its title, and what measures its rows."""

    title: str
    measure: Callable[[], Rows]


SECTIONS = {
    "selection-nine": Section("Network selection against the published enumeration", selection.against_enumeration),
    "selection-exact": Section("Network selection, proven optimal", selection.exact),
    "selection-100": Section(
        "100 tasks, no bound wanted, against ten random starts", partial(selection.local_search, 100, 3)
    ),
    "selection-500": Section("The same with 500 tasks", partial(selection.local_search, 500, 2)),
    "selection-gaps-40": Section("Certified gap at 40 tasks", partial(selection.gaps, 40, 1)),
    "selection-gaps-60": Section("Certified gap at 60 tasks", partial(selection.gaps, 60, 1)),
    "selection-gaps-100": Section("Certified gap at 100 tasks", partial(selection.gaps, 100, 1)),
    "selection-gaps-measured": Section("Certified gap on measured gains", selection.measured_gaps),
    "density-scs-100": Section(
        "Average density against cvxpy + SCS, 100 tasks", partial(density.against_scs, 100, 10, draws=3)
    ),
    "density-scs-200": Section("The same with 200 tasks", partial(density.against_scs, 200, 15, draws=1)),
    "density-scs-500": Section("The same with 500 tasks", partial(density.against_scs, 500, 20, draws=1, limit=300)),
    "density-large": Section("A thousand tasks", partial(density.certified, 1000, 25)),
    "density-gaps": Section("Certified gaps over more draws", density.gaps),
    "density-noise": Section("Pure noise: the relaxation itself is loose", density.noise_gaps),
    "density-exact": Section("Average density, proven optimal", density.exact),
    "density-roundings": Section("What the published rounding loses (n = 40, k = 5)", density.roundings),
    "density-recovery": Section("Adjusted Rand index of planted groups, n = 40, k = 5, noise 1.2", density.recovery),
    "groupers-2000": Section("Every grouper on 2,000 tasks", partial(large.every_grouper, 2000, 20)),
}


def table(rows: Rows) -> str:
    """Return the rows as a markdown table."""
    head = list(rows[0])
    lines = [head, ["---"] * len(head), *([shown(row[name]) for name in head] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def shown(value: Any) -> str:
    """Return one cell."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def written(results: dict[str, Any]) -> str:
    """Return the whole report, what the columns mean first."""
    notes = [(module.__doc__ or "").split("\n\n", 1)[1].strip() for module in (selection, density, large)]
    parts = ["# Choosing groups", (__doc__ or "").strip(), *notes, f"Machine: {results['machine']}."]
    parts += [
        f"## {section.title} (`{name}`)\n\n{table(results[name])}"
        for name, section in SECTIONS.items()
        if name in results
    ]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("sections", nargs="*", help=f"of {', '.join(SECTIONS)}; all of them by default")
    wanted = parser.parse_args().sections or list(SECTIONS)
    if unknown := set(wanted) - set(SECTIONS):
        parser.error(f"no such section: {', '.join(sorted(unknown))}")
    with threadpool_limits(1):
        for name in wanted:
            rows = SECTIONS[name].measure()
            print(f"## {name}\n\n{table(rows)}\n", flush=True)
            save(name, rows)


def save(name: str, rows: Rows) -> None:
    """Add a section to what is recorded."""
    file = RESULTS / "grouping.json"
    results: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    results["machine"] = (
        f"{platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}, scipy {scipy.__version__}, "
        f"cvxpy {cvxpy.__version__}, one thread"
    )
    results[name] = rows
    file.write_text(json.dumps(results, indent=1) + "\n")
    file.with_suffix(".md").write_text(written(results))


if __name__ == "__main__":
    main()
