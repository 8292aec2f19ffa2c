"""Projected gradients: time against a loop over rows and against training, and accuracy per dimension on real data.

Run ``python benchmarks/gradients.py FOLDER`` with the folder that holds ``multilabel/yeast.npz``,
``multitarget/rf1.npz`` and ``molecules/tox21.npz``; it writes ``benchmarks/results/gradients.json`` and
``gradients.md``. ``--only TEXT`` measures again what has the text in its name, and keeps the rest
of the results. Times are CPU seconds of one thread (``process_time``, best of several), so ratios within one run are
the result.

*Loop*: one ``autograd.grad`` per row on the graph of a whole batch, times a dense matrix in memory, in double precision
as published, and in single. *Floor*: one forward and backward pass of training over the same rows.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gradient_networks import CASES, FORWARD, Case, flat
from torch import Tensor, nn

from cotrain.affinity.linear.linear_fits import fit_subsets
from cotrain.affinity.linear.linear_rows import linear_losses
from cotrain.gradients import Basis, collect, make_basis
from cotrain.gradients.engine import Engine
from cotrain.problem import Problem, Rows, Task
from cotrain.training.trainer import Trainer

RESULTS = Path(__file__).parent / "results"
JSON = RESULTS / "gradients.json"
SETS = ("multilabel/yeast.npz", "multitarget/rf1.npz", "molecules/tox21.npz")
EXACT_ROWS, SUBSETS = 1500, 40
POOL, LARGEST_MATRIX = 480, 64 * 2**20
DIMENSIONS = (100, 200, 400, 800)
KINDS = ("landmarks", "kronecker", "khatri-rao")
RIDGES = {"strong": 1e-2, "weak": 1e-3}


def seconds(work: Callable[[], Any], repeats: int = 3) -> float:
    work()
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return min(taken)


def problem_of(case: Case) -> tuple[Problem, nn.Module, Rows]:
    """Return a problem to make bases of, a network, and the rows that are timed."""
    torch.manual_seed(0)
    count = max(case.rows, POOL)
    network, inputs = case.build().eval(), case.inputs(count)
    rows = Rows(inputs, (torch.rand(count, case.outputs) > 0.5).float())
    tasks = tuple(Task(f"{number:03}") for number in range(case.outputs))
    splits = dict.fromkeys(("train", "validation", "test"), rows)
    return Problem(tasks, splits, lambda _: network), network, rows.take(torch.arange(case.rows))


def train_once(case: Case, network: nn.Module, rows: Rows) -> None:
    for index in torch.arange(case.rows).split(case.training_batch):
        part = rows.take(index)
        network.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(network(part.inputs), part.targets).backward()


def loop_seconds(case: Case, network: nn.Module, rows: Rows, precision: torch.dtype, most: int = 6) -> float:
    """Return seconds per gradient of the loop; some rows of a batch, and columns of a large matrix, stand for all."""
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    entries = sum(parameter.numel() for parameter in parameters)
    columns = min(case.dimension, LARGEST_MATRIX // entries)
    projection = torch.ones(entries, columns, dtype=precision)
    outputs = network(rows.take(torch.arange(case.loop_batch) % case.rows).inputs)

    def gradient(row: int) -> Tensor:
        return flat(torch.autograd.grad(outputs[row, 0], parameters, retain_graph=True)).to(precision)

    one = gradient(0)
    taking = seconds(lambda: [gradient(row) for row in range(most)], 2) / most
    projecting = seconds(lambda: [one @ projection for _ in range(most)], 2) / most
    return taking + projecting * case.dimension / columns


def collect_rows(engine: Engine, case: Case, rows: Rows) -> None:
    for index in torch.arange(case.rows).split(engine.micro_batch):
        engine.run(rows.take(index), range(case.outputs))


def speed(name: str) -> dict[str, Any]:
    case = CASES[name]
    problem, network, rows = problem_of(case)
    floor = seconds(lambda: train_once(case, network, rows)) / case.rows
    network.zero_grad()
    loop, single = (loop_seconds(case, network, rows, precision) for precision in (torch.float64, torch.float32))
    line: dict[str, Any] = {
        "network": name,
        "parameters": sum(p.numel() for p in network.parameters() if p.requires_grad),
        "outputs": case.outputs,
        "dimension": case.dimension,
        "floor_ms": 1e3 * floor,
        "loop_ms": 1e3 * loop,
        "loop_in_single_precision_ms": 1e3 * single,
        "target_loop": case.target_loop,
        "target_floor": case.target_floor,
    }
    for kind in ("khatri-rao", "kronecker", "auto"):
        start = time.process_time()
        basis = make_basis(kind, problem, network, problem.names, dim=case.dimension)
        made = time.process_time() - start
        engine = Engine(network, problem.tasks, basis, rows)
        row = seconds(lambda engine=engine: collect_rows(engine, case, rows), 2) / case.rows
        line[kind] = {
            "ms_per_gradient": 1e3 * row / case.outputs,
            "times_floor": row / floor,
            "times_faster_than_loop": loop * case.outputs / row,
            "times_faster_than_loop_in_single_precision": single * case.outputs / row,
            "make_seconds": made,
            "inner": basis.spec.get("inner", basis.spec)["kind"],
        }
        print(name, kind, line[kind], flush=True)
    line["peak_mib"] = {mode: peak(name, mode) for mode in ("training", "khatri-rao", "auto")}
    return line


def forward() -> dict[str, Any]:
    """Time forward mode and one task after the other on the same rows, and what the engine takes of its own accord."""
    case = FORWARD
    problem, network, rows = problem_of(case)
    floor = seconds(lambda: train_once(case, network, rows), 2) / case.rows
    network.zero_grad()
    basis = make_basis("khatri-rao", problem, network, problem.names, dim=case.dimension)
    engine = Engine(network, problem.tasks, basis, rows)
    taken, compared = engine.takes_forward(rows), engine.comparison
    line: dict[str, Any] = {
        "outputs": case.outputs,
        "dimension": case.dimension,
        "floor_ms": 1e3 * floor,
        "taken": "forward" if taken else "structured",
    }
    if compared.forward is not None:
        counted = [each.total(case.rows, case.outputs) for each in (compared.forward, compared.by_task)]
        line["operations_ratio"] = counted[0] / counted[1]
    for path in ("forward", "structured"):
        engine.takes_forward = lambda _, path=path: path == "forward"  # type: ignore[method-assign,misc]
        row = seconds(lambda: collect_rows(engine, case, rows), 2) / case.rows
        line[path] = {"ms_per_gradient": 1e3 * row / case.outputs, "times_floor": row / floor}
    print("forward", line, flush=True)
    return line


def peak(name: str, mode: str) -> float:
    """Return MiB by which a fresh process grows while it works on all rows."""
    command = [sys.executable, __file__, "--peak", name, mode]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def print_peak(name: str, mode: str) -> None:
    case = CASES[name]
    problem, network, rows = problem_of(case)
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far, the parent's included, is forgotten
    before = resident_mib("VmRSS")
    if mode == "training":
        train_once(case, network, rows)
    else:
        basis = make_basis(mode, problem, network, problem.names, dim=case.dimension)  # type: ignore[arg-type]
        collect_rows(Engine(network, problem.tasks, basis, rows), case, rows)
    print(resident_mib("VmHWM") - before)


def resident_mib(field: str) -> float:
    """Return the resident memory of this process, now (``VmRSS``) or at its peak (``VmHWM``)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def changes(problem: Problem, network: nn.Module, basis: Basis, masks: Tensor) -> list[np.ndarray[Any, Any]]:
    """Return validation-loss changes of the tasks of every subset at every ridge."""
    subset = problem.subset(problem.names)
    train, validation = (collect(problem, network, subset, split, basis) for split in ("train", "validation"))
    unit = fit_subsets(train, masks, strength=1.0, corrections=0).ridge
    base = linear_losses(validation, torch.zeros(1, basis.dimension))
    found = []
    for ridge in RIDGES.values():
        # The ridge is a share of the trace of the exact Hessian, the same for every basis.
        fits = fit_subsets(train, masks, strength=ridge * trace(problem, network) / unit, corrections=4)
        found.append((linear_losses(validation, fits.coefficients) - base)[masks].numpy())
    return found


TRACES: dict[int, float] = {}


def trace(problem: Problem, network: nn.Module) -> float:
    if id(network) not in TRACES:
        subset = problem.subset(problem.names)
        exact = make_basis("exact", problem, network, subset)
        train = collect(problem, network, subset, "train", exact)
        everything = torch.ones(1, len(subset), dtype=torch.bool)
        TRACES[id(network)] = fit_subsets(train, everything, strength=1.0, corrections=0).ridge * exact.dimension
    return TRACES[id(network)]


def accuracy(path: Path) -> dict[str, Any]:
    full = Problem.from_npz(path)
    subset = full.subset(full.names)
    network = Trainer(full).fit(subset, seed=0).network
    stream = torch.Generator().manual_seed(0)
    kept = torch.randperm(len(full.splits["train"]), generator=stream)[: EXACT_ROWS // len(subset)]
    problem = replace(full, splits={**full.splits, "train": full.splits["train"].take(kept)})
    masks = torch.zeros(SUBSETS, len(subset), dtype=torch.bool)
    for mask in masks:
        size = int(torch.randint(2, max(len(subset) // 2, 2) + 1, (), generator=stream))
        mask[torch.randperm(len(subset), generator=stream)[:size]] = True
    exact = make_basis("exact", problem, network, subset)
    truth = changes(problem, network, exact, masks)
    lines = []
    for kind in KINDS:
        for dimension in DIMENSIONS:
            basis = make_basis(kind, problem, network, subset, dim=dimension)  # type: ignore[arg-type]
            found = changes(problem, network, basis, masks)
            fidelity = getattr(basis, "fidelity", None)
            lines.append(
                {
                    "basis": kind,
                    "dimension": basis.dimension,
                    "asked": dimension,
                    "energy": fidelity.energy if fidelity else None,
                    **{
                        name: {
                            "correlation": float(np.corrcoef(a, b)[0, 1]),
                            "error": float(np.linalg.norm(a - b) / np.linalg.norm(b)),
                        }
                        for name, a, b in zip(RIDGES, found, truth, strict=True)
                    },
                }
            )
            print(path.stem, lines[-1], flush=True)
    size = {
        "rows": exact.dimension,
        "landmarks": max(320, 200),
        "parameters": sum(p.numel() for p in network.parameters()),
    }
    return {"data": path.stem, "tasks": len(subset), **size, "lines": lines}


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *lines)]


def speed_cells(line: dict[str, Any], kind: str) -> list[str]:
    found, memory = line[kind], line["peak_mib"]
    return [
        line["network"],
        f"{line['parameters']:,}",
        kind if kind != "auto" else f"auto: {found['inner']}",
        f"{found['ms_per_gradient']:.4f}",
        f"{found['times_floor']:.2f} ({line['target_floor'] or '-'})",
        f"{found['times_faster_than_loop']:.0f} ({line['target_loop'] or '-'})",
        f"{found['times_faster_than_loop_in_single_precision']:.0f}",
        f"{found['make_seconds']:.1f}",
        f"{memory[kind]:.0f} ({memory['training']:.0f})" if kind in memory else "",
    ]


SPEED_HEAD = (
    "network",
    "parameters",
    "basis",
    "ms per gradient",
    "x floor (target)",
    "x faster than the loop (target)",
    "than the loop in single precision",
    "made in s",
    "peak MiB (training)",
)
ACCURACY_HEAD = ("data", "basis", "d", "energy kept", "correlation (relative error), strong ridge", "weak ridge")


def accuracy_cells(data: str, line: dict[str, Any]) -> list[str]:
    cells = [f"{line[name]['correlation']:.3f} ({line[name]['error']:.2f})" for name in RIDGES]
    energy = "" if line["energy"] is None else f"{line['energy']:.2f}"
    return [data, line["basis"], str(line["dimension"]), energy, *cells]


FORWARD_HEAD = ("path", "ms per gradient", "x floor for all outputs", "taken by the engine")


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

{chr(10).join(table(FORWARD_HEAD, cells))}

A perceptron 512-256-256-256 in a khatri-rao basis, the floor as above: {ratio:.2f} of the time where counted operations
say {line["operations_ratio"]:.2f}.

"""


def write(result: dict[str, Any]) -> None:
    RESULTS.mkdir(exist_ok=True)
    JSON.write_text(json.dumps(result, indent=1) + "\n")
    speeds = [speed_cells(line, kind) for line in result["speed"] for kind in ("khatri-rao", "kronecker", "auto")]
    accuracies = [accuracy_cells(found["data"], line) for found in result["accuracy"] for line in found["lines"]]
    text = f"""# Projected gradients

Written by `benchmarks/gradients.py`; {result["machine"]}. Times are CPU time of one thread.

## Speed

{chr(10).join(table(SPEED_HEAD, speeds))}

The floor is one forward and backward pass of training over the same rows for all outputs; the loop is one
`autograd.grad` per gradient and a dense projection, in double precision as published. Peak memory includes making the
basis.

{forward_section(result["forward"]) if result.get("forward") else ""}## Accuracy per dimension

Validation-loss changes of every task in {SUBSETS} random subsets, against the exact linearised fit of the same rows
without projection (about {EXACT_ROWS} training gradients; landmarks are 320 of them, or 2 d where that is more). The
ridge is .01 (strong) or .001 (weak) of the trace of the Hessian, the same for every basis.

{chr(10).join(table(ACCURACY_HEAD, accuracies))}
"""
    (RESULTS / "gradients.md").write_text(text)


def measured(folder: Path, only: str) -> Iterator[dict[str, Any]]:
    """Measure what is wanted; yield all results after each."""
    before: dict[str, Any] = json.loads(JSON.read_text()) if only and JSON.exists() else {}
    speeds = {line["network"]: line for line in before.get("speed", ())}
    accuracies = {found["data"]: found for found in before.get("accuracy", ())}
    forwards = {"forward": before["forward"]} if before.get("forward") else {}
    works: dict[str, tuple[dict[str, Any], Callable[[], Any]]] = {
        name: (speeds, partial(speed, name)) for name in CASES
    }
    works |= {"forward": (forwards, forward)}
    works |= {Path(name).stem: (accuracies, partial(accuracy, folder / name)) for name in SETS}
    exact = only.lower() in {name.lower() for name in works}
    for name, (results, work) in works.items():
        if only.lower() == name.lower() or (not exact and only.lower() in name.lower()):
            results[name] = work()
            yield {
                "machine": f"{platform.machine()}, torch {torch.__version__}",
                "speed": [speeds[each] for each in CASES if each in speeds],
                "forward": forwards.get("forward"),
                "accuracy": [accuracies[each] for each in works if each in accuracies],
            }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="", metavar="TEXT")
    given = parser.parse_args()
    for result in measured(given.folder, given.only):
        write(result)


if __name__ == "__main__":
    torch.set_num_threads(1)
    if sys.argv[1] == "--peak":
        print_peak(sys.argv[2], sys.argv[3])
    else:
        main()
