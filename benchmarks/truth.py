"""Measured truth for the leaderboard: subsets of seven data sets, trained to convergence with eight seeds each.

    python benchmarks/truth.py ../truth                 # all, an hour or two on two cores
    python benchmarks/truth.py ../truth --only rf1 wq

Writes ``NAME.npz`` into a folder outside the repository; finished files are kept. Each holds every task alone, the
pairs (at most 100 of them, drawn evenly), 100 larger subsets of all sizes, and all tasks together.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from cotrain.affinity.design import truth_design
from cotrain.evaluation.measured import measure_subsets
from cotrain.problem.problem import Problem
from cotrain.seeding import derive
from cotrain.training.trainer import Trainer

DATA = Path(__file__).parents[2] / "shared" / "data"
FILES = {
    "rf1": "multitarget/rf1",
    "tox21": "molecules/tox21",
    "text10": "text/text10",
    "landmine": "classic/landmine",
    "blogcatalog": "graph/blogcatalog",
    "wq": "multitarget/wq",
    "yeast": "multilabel/yeast",
}
SEEDS = range(100, 108)
"""Far from those of any estimate, so that nothing is scored against itself."""


def problem_of(name: str) -> Problem:
    """Return one of the data sets as a problem: tox21 with a fifth of its training rows, frequent labels only."""
    path = DATA / f"{FILES[name]}.npz"
    problem = Problem.from_npz(path, targets=_frequent(path) if name == "blogcatalog" else None, unusable="drop")
    return thinned(problem, 5) if name == "tox21" else problem


def _frequent(path: Path, positives: int = 100) -> list[str]:
    with np.load(path, allow_pickle=False) as archive:
        labels = np.unpackbits(archive["Y"], axis=0)[: int(archive["n_rows"])]
        frequent = labels.sum(axis=0) >= positives
        return [str(name) for name in archive["tasks"][frequent]]


def thinned(problem: Problem, share: int) -> Problem:
    """Return the problem with one in ``share`` of its training rows, drawn at random."""
    rows = problem.splits["train"]
    order = torch.from_numpy(np.random.default_rng(derive(0, "thin")).permutation(len(rows)))
    return replace(problem, splits={**problem.splits, "train": rows.take(order[: len(rows) // share].sort().values)})


def main() -> None:
    """Measure what is not measured yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*", choices=FILES, default=list(FILES))
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for name in arguments.only:
        path = arguments.folder / f"{name}.npz"
        if path.exists():
            continue
        problem, start = problem_of(name), time.perf_counter()
        measured = measure_subsets(Trainer(problem), truth_design(problem.names, seed=1), seeds=SEEDS)
        measured.save(path)
        print(name, measured, f"{time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
