"""Projected gradients: time against a loop over rows and against training, and accuracy per dimension on real data.

Run ``python benchmarks/gradients.py FOLDER`` with the folder that holds ``multilabel/yeast.npz``,
``multitarget/rf1.npz`` and ``molecules/tox21.npz``; it writes ``benchmarks/results/gradients.json`` and
``gradients.md``. ``--only TEXT`` measures again what has the text in its section and name (``speed LoRA``,
``memory``, ``accuracy yeast``), and keeps the rest of the results. Times are CPU seconds of one thread
(``process_time``), and ratios within one run are the result: what is compared takes turns, each for half a second at
least, and medians are compared.

*Loop*: one ``autograd.grad`` per row on the graph of a whole batch, times a dense matrix in memory, in double precision
as published, and in single. *Floor*: one forward and backward pass of training over the same rows.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from gradient_accuracy import accuracy
from gradient_memory import peaks
from gradient_networks import CASES, FORWARD, Case, flat, problem_of, training_loss
from gradients_report import report
from torch import Tensor, nn

from cotrain.gradients import make_basis
from cotrain.gradients.engine import Engine
from cotrain.problem import Rows

RESULTS = Path(__file__).parent / "results"
JSON = RESULTS / "gradients.json"
SETS = ("multilabel/yeast.npz", "multitarget/rf1.npz", "molecules/tox21.npz")
LARGEST_MATRIX = 64 * 2**20


def seconds(work: Callable[[], Any], repeats: int = 3) -> float:
    work()
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return min(taken)


def taking_turns(works: dict[str, Callable[[], Any]], rounds: int = 5, least: float = 0.5) -> dict[str, float]:
    """Return the median seconds of each: on a machine that others use, all see the same hours of it."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for name, work in works.items():
        repeats = math.ceil(least / seconds(work, 1))
        works = works | {name: partial(repeated, work, repeats)}
    for _ in range(rounds):
        for name, work in works.items():
            taken[name].append(work())
    return {name: statistics.median(found) for name, found in taken.items()}


def repeated(work: Callable[[], Any], repeats: int) -> float:
    start = time.process_time()
    for _ in range(repeats):
        work()
    return (time.process_time() - start) / repeats


def train_once(case: Case, network: nn.Module, rows: Rows) -> None:
    for index in torch.arange(case.rows).split(case.training_batch):
        part = rows.take(index)
        network.zero_grad()
        training_loss(network, part).backward()


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
    works: dict[str, Callable[[], Any]] = {"floor": partial(train_once, case, network, rows)}
    made, inner = {}, {}
    for kind in ("khatri-rao", "auto"):
        start = time.process_time()
        basis = make_basis(kind, problem, network, problem.names, dim=case.dimension)  # type: ignore[arg-type]
        made[kind], inner[kind] = time.process_time() - start, basis.spec.get("inner", basis.spec)["kind"]
        works[kind] = partial(collect_rows, Engine(network, problem.tasks, basis, rows), case, rows)
    found = {kind: taken / case.rows for kind, taken in taking_turns(works).items()}
    network.zero_grad()
    loop, single = (loop_seconds(case, network, rows, precision) for precision in (torch.float64, torch.float32))
    line: dict[str, Any] = {
        "parameters": sum(p.numel() for p in network.parameters() if p.requires_grad),
        "outputs": case.outputs,
        "dimension": case.dimension,
        "floor_ms": 1e3 * found["floor"],
        "loop_ms": 1e3 * loop,
        "loop_in_single_precision_ms": 1e3 * single,
        "target_loop": case.target_loop,
        "target_floor": case.target_floor,
    }
    for kind, inside in inner.items():
        line[kind] = {
            "ms_per_gradient": 1e3 * found[kind] / case.outputs,
            "times_floor": found[kind] / found["floor"],
            "times_faster_than_loop": loop * case.outputs / found[kind],
            "times_faster_than_loop_in_single_precision": single * case.outputs / found[kind],
            "make_seconds": made[kind],
            "inner": inside,
        }
        print(name, kind, line[kind], flush=True)
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


def works(folder: Path) -> dict[tuple[str, str], Callable[[], Any]]:
    """Return what there is to measure, by section and name, in the order of the report."""
    found: dict[tuple[str, str], Callable[[], Any]] = {("speed", name): partial(speed, name) for name in CASES}
    found |= {("memory", name): partial(peaks, name) for name in CASES}
    found["forward", "500 outputs"] = forward
    return found | {("accuracy", Path(name).stem): partial(accuracy, folder / name) for name in SETS}


def measured(folder: Path, only: str) -> Iterator[dict[str, Any]]:
    """Measure what is wanted; yield all results after each."""
    everything = works(folder)
    result: dict[str, Any] = json.loads(JSON.read_text()) if only and JSON.exists() else {}
    labels = {key: " ".join(key).lower() for key in everything}
    exact = only.lower() in labels.values()
    for key, label in labels.items():
        if label == only.lower() or (not exact and only.lower() in label):
            section, name = key
            found = result.get(section, {}) | {name: everything[key]()}
            ordered = {other: found[other] for kind, other in everything if kind == section and other in found}
            result |= {"machine": f"{platform.machine()}, torch {torch.__version__}", section: ordered}
            yield result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="", metavar="TEXT")
    given = parser.parse_args()
    for result in measured(given.folder, given.only):
        JSON.write_text(json.dumps(result, indent=1) + "\n")
        (RESULTS / "gradients.md").write_text(report(result))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
