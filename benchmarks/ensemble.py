"""Many small networks at once against one after another: seconds per network step, and how far the losses differ.

Run ``python benchmarks/ensemble.py FOLDER`` with the folder that holds ``multilabel/yeast.npz`` and
``multitarget/rf1.npz``; it writes ``benchmarks/results/ensemble.json`` and ``ensemble.md``. Subsets of all sizes are
trained with ``Trainer.fit_many`` (one ensemble) and an evenly spread sample of them with ``Trainer.fit``, in the same
process, until early stopping or 20 epochs. A ratio compares seconds per optimizer step of a network, validation and
set-up included; CPU seconds are those of all threads together. Long trainings amplify rounding: what differs in single
precision and not in double is rounding.
"""

from __future__ import annotations

import itertools
import json
import os
import platform
import random
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cotrain.problem import NetworkOptions, Problem, Rows
from cotrain.training.fit import Fit
from cotrain.training.trainer import Trainer
from cotrain.training.untrained import Job

RESULTS = Path(__file__).parent / "results"
SETS = ("multilabel/yeast.npz", "multitarget/rf1.npz")
WIDTHS = (16, 64)
NETWORKS, SAMPLE, MOST_EPOCHS = 240, 6, 20


@dataclass(frozen=True)
class Timing:
    """Microseconds per optimizer step of one network."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Line:
    """One comparison."""

    data: str
    width: int
    networks: int
    together: Timing
    alone: Timing
    difference: float
    difference_in_double: float

    @property
    def ratio(self) -> float:
        """How many times faster together."""
        return self.alone.wall / self.together.wall

    @property
    def cpu_ratio(self) -> float:
        """How many times less CPU time together."""
        return self.alone.cpu / self.together.cpu


def compare(path: Path, width: int) -> Line:
    problem = Problem.from_npz(path, network=NetworkOptions(hidden=(width,)))
    problem = replace(problem, training=replace(problem.training, epochs=MOST_EPOCHS))
    trainer, jobs = Trainer(problem), jobs_of(problem.names)
    list(trainer.fit_many(jobs[:2]))  # torch loads some of its parts at the first optimizer
    sample = range(0, len(jobs), len(jobs) // SAMPLE)
    together, fits = timed(lambda: list(trainer.fit_many(jobs)))
    alone, sampled = timed(lambda: [trainer.fit(jobs[number][0], seed=jobs[number][1]) for number in sample])
    single = largest_difference([fits[number] for number in sample], sampled)
    trainer, chosen = Trainer(doubled(problem)), [jobs[number] for number in sample]
    double = largest_difference(trainer.fit_many(chosen), (trainer.fit(subset, seed=seed) for subset, seed in chosen))
    return Line(path.stem, width, len(jobs), together, alone, single, double)


def largest_difference(fits: Iterable[Fit], others: Iterable[Fit]) -> float:
    pairs = zip(fits, others, strict=True)
    return max(float(np.max(np.abs(one.validation_loss - other.validation_loss))) for one, other in pairs)


def doubled(problem: Problem) -> Problem:
    """Return the same problem in double precision."""
    splits = {
        split: Rows(rows.inputs.double(), rows.targets.double())
        for split, rows in problem.splits.items()
        if isinstance(rows.inputs, Tensor)
    }
    return replace(problem, splits=splits, build=lambda tasks: problem.build(tasks).double())


def jobs_of(names: Sequence[str]) -> list[Job]:
    """Random subsets of all sizes, three seeds."""
    sizes = range(1, len(names) + 1)
    subsets = [subset for size in sizes for subset in itertools.combinations(sorted(names), size)]
    chosen = random.Random(0).sample(subsets, NETWORKS // 3)
    return [(subset, seed) for subset in chosen for seed in range(3)]


def timed(train: Callable[[], list[Fit]]) -> tuple[Timing, list[Fit]]:
    wall, cpu = time.perf_counter(), time.process_time()
    fits = train()
    steps = sum(fit.steps for fit in fits)
    return Timing((time.perf_counter() - wall) / steps * 1e6, (time.process_time() - cpu) / steps * 1e6), fits


def markdown(lines: Sequence[Line], setting: dict[str, object]) -> str:
    text = [
        "# Many small networks at once",
        "",
        "Microseconds per optimizer step of one network (batches of 128 rows), together and one after another;",
        "the largest difference of a validation loss, in single and in double precision.",
        "Written by `python benchmarks/ensemble.py FOLDER`; " + ", ".join(f"{k} {v}" for k, v in setting.items()) + ".",
        "",
        "| data | width | networks | together | alone | ratio | ratio of CPU time | difference of losses | in double |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for line in lines:
        times = f"{line.together.wall:.0f} | {line.alone.wall:.0f} | {line.ratio:.1f} | {line.cpu_ratio:.1f}"
        losses = f"{line.difference:.1e} | {line.difference_in_double:.1e}"
        text.append(f"| {line.data} | {line.width} | {line.networks} | {times} | {losses} |")
    return "\n".join([*text, ""])


def main(folder: Path) -> None:
    lines = []
    for name, width in itertools.product(SETS, WIDTHS):
        lines.append(compare(folder / name, width))
        print(lines[-1], flush=True)
    setting: dict[str, object] = {
        "torch": torch.__version__,
        "python": platform.python_version(),
        "threads": torch.get_num_threads(),
        "load of the machine": round(os.getloadavg()[1], 1),
    }
    rows = [{**asdict(line), "ratio": line.ratio, "cpu_ratio": line.cpu_ratio} for line in lines]
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "ensemble.json").write_text(json.dumps({"lines": rows, **setting}, indent=2) + "\n")
    (RESULTS / "ensemble.md").write_text(markdown(lines, setting))
    print(markdown(lines, setting))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
