"""The text of ``benchmarks/results/gradients.md``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradient_accuracy import EXACT_ROWS, RIDGES, SUBSETS
from gradient_networks import CASES

SPEED = (
    "network",
    "parameters",
    "basis",
    "ms per gradient",
    "x floor (target)",
    "x faster than the loop (target)",
    "than the loop in single precision",
    "made in s",
)
MEMORY = (
    "network",
    "rows",
    "training step",
    "collecting, khatri-rao",
    "collecting, auto",
    "of which coordinates",
    "making auto",
    "p x d matrix",
)
ACCURACY = ("data", "basis", "d", "energy kept", "strong ridge: all, within tasks (error)", "weak ridge")
FORWARD = ("path", "ms per gradient", "x floor for all outputs", "taken by the engine")
NAMES = {"auto": "auto", "principal": "principal directions of the rows", "khatri-rao": "khatri-rao, random"}


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *lines))


def speed_cells(network: str, line: dict[str, Any], kind: str) -> list[str]:
    found = line[kind]
    return [
        network,
        f"{line['parameters']:,}",
        kind if kind != "auto" else f"auto: {found['inner']}",
        f"{found['ms_per_gradient']:.4f}",
        f"{found['times_floor']:.2f} ({line['target_floor'] or '-'})",
        f"{found['times_faster_than_loop']:.0f} ({line['target_loop'] or '-'})",
        f"{found['times_faster_than_loop_in_single_precision']:.0f}",
        f"{found['make_seconds']:.1f}",
    ]


def memory_cells(network: str, found: dict[str, float], line: dict[str, Any]) -> list[str]:
    training, case = found["training"], CASES[network]
    rest = [f"{found[name]:.0f} ({found[name] / training:.2f})" for name in ("khatri-rao", "auto", "making auto")]
    sizes = (case.rows * case.outputs * case.dimension, line["parameters"] * case.dimension)
    returned, matrix = (f"{4 * size / 2**20:,.0f}" for size in sizes)
    return [network, str(case.rows), f"{training:.0f}", *rest[:2], returned, rest[2], matrix]


def accuracy_cells(data: str, line: dict[str, Any]) -> list[str]:
    cells = ["{correlation:.3f}, {within_tasks:.3f} ({error:.2f})".format(**line[name]) for name in RIDGES]
    energy = "" if line["energy"] is None else f"{line['energy']:.2f}"
    kind = NAMES.get(line["basis"], line["basis"])
    return [data, f"**{kind}**" if kind == "auto" else kind, str(line["dimension"]), energy, *cells]


def forward_section(line: dict[str, Any]) -> str:
    cells = [
        [
            path,
            f"{line[path]['ms_per_gradient']:.4f}",
            f"{line[path]['times_floor']:.1f}",
            "x" * (line["taken"] == path),
        ]
        for path in ("forward", "structured")
    ]
    ratio = line["forward"]["times_floor"] / line["structured"]["times_floor"]
    return f"""## Forward mode: {line["outputs"]} outputs on shared rows, d = {line["dimension"]}

{table(FORWARD, cells)}

A perceptron 512-256-256-256 in a khatri-rao basis, the floor as above: {ratio:.2f} of the time where counted operations
say {line["operations_ratio"]:.2f}.
"""


def speed_section(result: dict[str, Any]) -> str:
    cells = [
        speed_cells(name, line, kind)
        for name, line in result["speed"].items()
        for kind in ("khatri-rao", "auto")
        if kind in line
    ]
    return f"""## Speed

{table(SPEED, cells)}

The floor is one forward and backward pass of training over the same rows for all outputs; the loop is one
`autograd.grad` per gradient and a dense projection, in double precision as published. What passes forward and backward
through the rows can be faster than the loop by little more than the floors that the loop takes:
{loops_in_floors(result)}.

By operations alone (torch's `FlopCounterMode`) 100 outputs take 43 floors in the khatri-rao basis and 62 in the default
one, whose coordinates are sums of 1.5 products each: 45 there would ask for operations 1.4 times as fast as those of
training.
"""


def loops_in_floors(result: dict[str, Any]) -> str:
    ratios = {
        name: line["loop_ms"] / line["floor_ms"] for name, line in result["speed"].items() if line["outputs"] == 1
    }
    return ",\n".join(f"{ratio:,.1f} for {name}" for name, ratio in ratios.items())


def memory_section(result: dict[str, Any]) -> str:
    cells = [memory_cells(name, found, result["speed"][name]) for name, found in result["memory"].items()]
    return f"""## Peak memory

{table(MEMORY, cells)}

MiB beyond what network and data take, in parentheses relative to a training step: forward, backward and an Adam update
over as many rows at once as gradients are collected for. `collect` takes rows in micro-batches that fit into 192 MiB
by its own estimate, 1,024 at most; the coordinates that it returns count as well. Processes of their own, resident
memory. The two transformers were measured with 256 MiB in place of 192.
"""


def accuracy_section(result: dict[str, Any]) -> str:
    cells = [accuracy_cells(name, line) for name, found in result["accuracy"].items() for line in found["lines"]]
    return f"""## Accuracy per dimension

Validation-loss changes of every task in {SUBSETS} random subsets, against the exact linearised fit of the same rows
without projection (about {EXACT_ROWS} training gradients): correlation over all changes, mean correlation within each
task, relative error. The ridge is .01 (strong) or .001 (weak) of the trace of the Hessian, the same for every basis.

{table(ACCURACY, cells)}

`auto` is what Grad-TAG uses unless told otherwise; on these networks it takes `landmarks`: half of its directions are
those along which fits of subsets move, all are sums of 1.5 d of the gradients of some rows and of the tasks' pulls.
Principal directions of the rows alone miss where fits move; random ones, as published, need several times the
dimension. A wide gap between the correlation over all changes and that within tasks means that differences between
tasks carry the former.

The weak ridge on yeast at d = 100 is what falls short of .98. Nothing cheap mends it: two fifths to three quarters of
the directions for fits gave .960 to .975, twice the landmarks .961, other ridges .964, twice and three times as many
terms .961 and .976 (at that much more per gradient), so these differences are those between draws.
"""


def report(result: dict[str, Any]) -> str:
    """Return all sections that were measured."""
    sections = [
        section(result) for name, section in (("speed", speed_section), ("memory", memory_section)) if result.get(name)
    ]
    sections += [forward_section(line) for line in result.get("forward", {}).values()]
    sections += [accuracy_section(result)] if result.get("accuracy") else []
    head = f"""# Projected gradients

Written by `benchmarks/gradients.py`; {result["machine"]}. Times are CPU time of one thread.

"""
    return head + "\n".join(sections)
