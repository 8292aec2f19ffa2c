"""Node tasks on a generated graph, from edges to groups: time and peak memory by stage, at several sizes.

Run ``python benchmarks/scale.py SIZE TASKS ...``, such as ``1/400 50 1/200 50 1/200 100``; a size is a share of 21
million edges and 840 thousand nodes. Every run is added to ``benchmarks/results/scale.json``; ``scale.md`` is written
anew from all of them: a table by stage, growth, and the projection to full size with its arithmetic. Gradients go
through a store on disk; no stage holds rows x tasks x dimension.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from planted_graph import FAMILY, planted_graph
from scale_report import STAGES, markdown
from sklearn.metrics import roc_auc_score

import cotrain
from cotrain.affinity import Affinity, SubsetLosses
from cotrain.affinity.aggregation import co_occurrence_mean
from cotrain.affinity.design import balanced_subsets, distinct, singles_and_all
from cotrain.affinity.linear.linear_fits import fit_subsets
from cotrain.affinity.linear.linear_rows import linear_losses
from cotrain.gradients import Basis, GradientStore, StoreSpec, collect_into, make_basis
from cotrain.problem import Problem
from cotrain.training.fit import Fit
from cotrain.training.trainer import Trainer

RESULTS = Path(__file__).parent / "results"
EDGES, NODES = 21_000_000, 840_000
SUBSETS_PER_TASK, SUBSET_SIZE, DIMENSION = 40, 10, 100
EPOCHS, BATCHES, STRENGTH = 1, 40, 1.0
"""Of the base and of the fits on it; ``scale_families.py`` shows why a base that trains longer tells no families."""


@dataclass(frozen=True)
class Stage:
    """What one stage took."""

    seconds: float
    cpu_seconds: float
    peak_megabytes: float


@dataclass
class Run:
    """One size, measured."""

    size: str
    tasks: int
    nodes: int = 0
    edges: int = 0
    subsets: int = 0
    pairs: int = 0
    store_megabytes: float = 0.0
    auc: float = 0.0
    within_family: float = 0.0
    between_families: float = 0.0
    separation: float = 0.0
    standard_error: float = 0.0
    stages: dict[str, Stage] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure a stage; its peak is that of the process while it ran."""
        _reset_peak()
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        taken = (time.perf_counter() - wall, time.process_time() - cpu)
        self.stages[name] = Stage(*(round(one, 2) for one in taken), round(_peak_megabytes(), 0))
        print(self.size, self.tasks, name, self.stages[name], flush=True)


def measure(size: str, tasks: int, folder: Path, device: str) -> Run:
    run = Run(size, tasks, nodes=int(NODES * Fraction(size)), edges=int(EDGES * Fraction(size)))
    with run.stage(STAGES[0]):
        graph = planted_graph(run.nodes, run.edges, tasks, seed=0)
    with run.stage(STAGES[1]):
        problem = problem_of(graph.edges, graph.members)
    run.pairs = sum(len(problem.splits[split]) for split in ("train", "validation")) * len(problem.tasks)
    with run.stage(STAGES[2]):
        trainer = Trainer(problem, device=device)
        base = trainer.fit(problem.subset(problem.names))
    run.auc = float(np.nanmean(trainer.evaluate(base, "validation").metric))
    with run.stage(STAGES[3]):
        basis = make_basis("auto", problem, base.network, base.subset, dim=DIMENSION)
    with run.stage(STAGES[4]):
        store = collected(folder, problem, base, basis, device)
    run.store_megabytes = round(sum(path.stat().st_size for path in folder.rglob("*")) / 1e6)
    mask = subsets_of(store.tasks)
    run.subsets = len(mask)
    with run.stage(STAGES[5]):
        coefficients = fitted(store, mask)
    with run.stage(STAGES[6]):
        losses = validation_losses(store, mask, coefficients)
    with run.stage(STAGES[7]):
        affinity = Affinity(store.tasks, *co_occurrence_mean(losses), subset_losses=losses)
    describe(run, affinity)
    with run.stage(STAGES[8]):
        cotrain.group(affinity, networks=max(2, tasks // 25))
    return run


def problem_of(edges: NDArray[np.int64], members: NDArray[np.bool_], *, epochs: int = EPOCHS) -> Problem:
    nodes = len(members)
    split = np.random.default_rng(1).choice(3, nodes, p=(0.7, 0.2, 0.1))
    training = {"epochs": epochs, "batch_size": max(64, int(nodes * 0.7 / BATCHES))}
    data = {"edges": edges, "Y": members, "split": split}
    return Problem.from_graph(data, unusable="drop", training=training, network={"hidden": (64,)})


def collected(folder: Path, problem: Problem, base: Fit, basis: Basis, device: str) -> GradientStore:
    store = GradientStore.create(folder, StoreSpec.of(base.network, basis, dtype="float16"))
    for split in ("train", "validation"):
        collect_into(store, problem, base.network, base.subset, split, basis, device=device)
    return store


def subsets_of(tasks: tuple[str, ...]) -> NDArray[np.bool_]:
    drawn = balanced_subsets(tasks, size=SUBSET_SIZE, count=SUBSETS_PER_TASK * len(tasks))
    return distinct(np.concatenate([singles_and_all(len(tasks)), drawn]))


def fitted(store: GradientStore, mask: NDArray[np.bool_]) -> torch.Tensor:
    return fit_subsets(store.read("train"), torch.from_numpy(mask), strength=STRENGTH, corrections=1).coefficients


def validation_losses(store: GradientStore, mask: NDArray[np.bool_], coefficients: torch.Tensor) -> SubsetLosses:
    """Return every subset's losses of its own tasks; those of others are not computed."""
    loss = np.full(mask.shape, np.nan)
    for column, (name, rows) in enumerate(store.read("validation").items()):
        own = np.flatnonzero(mask[:, column])
        loss[own, column] = linear_losses({name: rows}, coefficients[torch.from_numpy(own)])[:, 0].numpy()
    unknown = np.full(mask.shape, np.nan)
    return SubsetLosses(store.tasks, mask, loss, unknown, np.full(len(mask), "estimated"))


def describe(run: Run, affinity: Affinity) -> None:
    """Note how affinities within planted families stand out from those between."""
    same = same_family(affinity.tasks)
    other = ~same & ~np.eye(len(same), dtype=bool)
    run.within_family = float(np.nanmean(affinity.matrix[same]))
    run.between_families = float(np.nanmean(affinity.matrix[other]))
    run.standard_error = float(np.nanmean(affinity.standard_error[same | other]))
    run.separation = separation(affinity.matrix, same)


def same_family(tasks: tuple[str, ...]) -> NDArray[np.bool_]:
    """Return which pairs of tasks are of one planted family."""
    family = np.array([int(name.removeprefix("task")) // FAMILY for name in tasks])
    same: NDArray[np.bool_] = (family[:, None] == family) & ~np.eye(len(family), dtype=bool)
    return same


def separation(matrix: NDArray[np.float64], same: NDArray[np.bool_]) -> float:
    """Return how often a partner of the own family outranks another one in a row: an AUC, mean over tasks."""
    off = ~np.eye(len(matrix), dtype=bool)
    rows = [(same[i, off[i]], matrix[i, off[i]]) for i in range(len(matrix))]
    return float(np.mean([roc_auc_score(own, values) for own, values in rows if 0 < own.sum() < len(own)]))


def _reset_peak() -> None:
    if Path("/proc/self/clear_refs").exists():
        Path("/proc/self/clear_refs").write_text("5")


def _peak_megabytes() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def keep(run: Run) -> None:
    path = RESULTS / "scale.json"
    content = json.loads(path.read_text()) if path.exists() else {"runs": []}
    others = [one for one in content["runs"] if (one["size"], one["tasks"]) != (run.size, run.tasks)]
    runs = sorted([*others, asdict(run)], key=lambda one: (Fraction(one["size"]), one["tasks"]))
    setting = {
        "torch": torch.__version__,
        "python": platform.python_version(),
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[1], 1),
    }
    path.write_text(json.dumps({"runs": runs, "setting": setting}, indent=2) + "\n")
    (RESULTS / "scale.md").write_text(markdown(runs, setting))


def main() -> None:
    parser = argparse.ArgumentParser(description="Node tasks on a generated graph, by stage.")
    parser.add_argument("runs", nargs="+", metavar="SIZE TASKS")
    parser.add_argument("--device", default="cpu", help="where networks train and gradients are taken")
    options = parser.parse_args()
    for size, tasks in zip(options.runs[::2], options.runs[1::2], strict=True):
        with tempfile.TemporaryDirectory() as folder:
            keep(measure(size, int(tasks), Path(folder) / "store", options.device))


if __name__ == "__main__":
    main()
