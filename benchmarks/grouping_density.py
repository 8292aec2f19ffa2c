"""Average density: time, certified gap and objective against cvxpy + SCS with the published rounding.

Run ``OMP_NUM_THREADS=1 python benchmarks/grouping_density.py``; it writes ``benchmarks/results/grouping_density.json``
and ``.md``; names of sections as arguments run only those and keep the rest of
the results. Times are CPU seconds of one thread (``process_time``). The baseline solves the same relaxation of the same
instance in the same run with cvxpy's default SCS settings (compiling included) and rounds it by the published rule:
scan the tasks in order, each one that is free opens a group and takes every later free one whose entry exceeds 1/n.
That rule returns whatever number of groups it returns; the objective is comparable across numbers (zero diagonal).
cotrain's time is the whole of ``AverageDensity(networks=k, exactly=True).group``: local search, relaxation, bounds,
roundings.
"families" are unequal families of tasks with noise; "directions" are families that overlap, from inner products of
noisy directions in eight dimensions; "noise" has no structure at all.
"""

from __future__ import annotations

import json
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cvxpy as cp
import numpy as np
import scipy
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits

from cotrain.affinity.affinity import Affinity
from cotrain.grouping.average_density import AverageDensity
from cotrain.grouping.density.group_count import GroupCount
from cotrain.grouping.density.objective import density
from cotrain.grouping.density.solver import DensitySolver

RESULTS = Path(__file__).parent / "results"
Matrix = NDArray[np.float64]
Labels = NDArray[np.int64]


def families(tasks: int, groups: int, seed: int) -> Matrix:
    """Affinities of tasks in unequal families of different strength; targets differ in scale, entries are noisy."""
    rng = np.random.default_rng(seed)
    family = rng.choice(groups, size=tasks, p=rng.dirichlet(np.full(groups, 8.0)))
    between = (-0.02 + 0.015 * rng.normal(size=(groups, groups)))[np.ix_(family, family)]
    within = rng.uniform(0.05, 0.15, size=groups)[family][:, None]
    base = np.where(family[:, None] == family[None, :], within, between)
    return np.asarray(rng.lognormal(0, 0.4, size=(tasks, 1)) * base + 0.04 * rng.normal(size=(tasks, tasks)))


def directions(tasks: int, groups: int, seed: int) -> Matrix:
    """Inner products of noisy directions in eight dimensions, less a cost of sharing: families that overlap."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(groups, 8))[rng.integers(groups, size=tasks)] + 0.5 * rng.normal(size=(tasks, 8))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return np.asarray(0.1 * features @ features.T - 0.03 + 0.01 * rng.normal(size=(tasks, tasks)))


def noise(tasks: int, groups: int, seed: int) -> Matrix:  # noqa: ARG001
    return np.random.default_rng(seed).normal(size=(tasks, tasks))


def planted(tasks: int, groups: int, seed: int) -> tuple[Matrix, Labels]:
    truth = np.arange(tasks) % groups
    return (truth[:, None] == truth) + 1.2 * np.random.default_rng(seed).normal(size=(tasks, tasks)), truth


INSTANCES: dict[str, Callable[[int, int, int], Matrix]] = {
    "families": families,
    "directions": directions,
    "noise": noise,
}

SUMMARIES: dict[str, Callable[[list[float]], Any]] = {"mean": np.mean, "worst": max, "least": min}


def seen(matrix: Matrix) -> Matrix:
    symmetric = np.asarray((matrix + matrix.T) / 2)
    np.fill_diagonal(symmetric, 0.0)
    return symmetric


def conic(matrix: Matrix, groups: int) -> Matrix:
    """Solve the relaxation the way the published code does."""
    X = cp.Variable(matrix.shape, PSD=True)
    constraints = [X >= 0, cp.trace(X) == groups, cp.sum(X, axis=1) == 1]
    cp.Problem(cp.Maximize(cp.sum(cp.multiply(matrix, X))), constraints).solve(solver=cp.SCS)
    return np.asarray(X.value)


def published_rounding(solution: Matrix) -> Labels:
    size = len(solution)
    labels = np.full(size, -1)
    for row in range(size):
        if labels[row] < 0:
            taken = [row] + [j for j in range(row + 1, size) if labels[j] < 0 and solution[row, j] > 1 / size]
            labels[taken] = labels.max() + 1
    return labels


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = time.process_time()
    result = work()
    return result, time.process_time() - start


def grouped(matrix: Matrix, groups: int) -> tuple[Any, float]:
    affinity = Affinity.from_matrix([f"t{task:04d}" for task in range(len(matrix))], matrix)
    return timed(lambda: AverageDensity(networks=groups, exactly=True).group(affinity))


def against_scs(kind: str, tasks: int, groups: int) -> dict[str, Any]:
    matrix = INSTANCES[kind](tasks, groups, tasks)
    grouping, own = grouped(matrix, groups)
    solution, seconds = timed(lambda: conic(seen(matrix), groups))
    published = published_rounding(solution)
    return {
        "instance": kind, "n": tasks, "k": groups, "cotrain_s": own, "scs_s": seconds, "ratio": seconds / own,
        "objective": grouping.objective, "gap_percent": 100 * grouping.gap, "status": grouping.status,
        "published_objective": density(seen(matrix), published), "published_groups": int(published.max()) + 1,
    }  # fmt: skip


def certified(kind: str, tasks: int, groups: int) -> dict[str, Any]:
    grouping, seconds = grouped(INSTANCES[kind](tasks, groups, tasks), groups)
    return {
        "instance": kind, "n": tasks, "k": groups, "cotrain_s": seconds, "objective": grouping.objective,
        "gap_percent": 100 * grouping.gap, "proof": grouping.proof, "status": grouping.status,
    }  # fmt: skip


def roundings(draws: int = 20) -> list[dict[str, Any]]:
    """Return how much lower the published rounding is, n = 40, k = 5."""
    rows = []
    for kind, instance in INSTANCES.items():
        losses, groups = [], []
        for seed in range(draws):
            matrix = seen(instance(40, 5, seed))
            own = DensitySolver(matrix, GroupCount(5)).solve()
            published = published_rounding(conic(matrix, 5))
            losses.append(100 * (own.value - density(matrix, published)) / abs(own.value))
            groups.append(int(published.max()) + 1)
        row = {"instance": kind, "draws": draws, "published_groups": f"{min(groups)}-{max(groups)}"}
        row |= {f"{name}_loss_percent": float(how(losses)) for name, how in SUMMARIES.items()}
        rows.append(row)
    return rows


def recovery(draws: int = 10) -> list[dict[str, Any]]:
    """Return the adjusted Rand index of planted groups, n = 40, k = 5, noise 1.2."""
    own, published = [], []
    for seed in range(draws):
        matrix, truth = planted(40, 5, seed)
        own.append(adjusted_rand_score(truth, DensitySolver(seen(matrix), GroupCount(5)).solve().labels))
        published.append(adjusted_rand_score(truth, published_rounding(conic(seen(matrix), 5))))
    return [{"draws": draws, "cotrain": float(np.mean(own)), "published": float(np.mean(published))}]


def table(rows: list[dict[str, Any]]) -> str:
    head = list(rows[0])
    cells = [[f"{row[name]:.4g}" if isinstance(row[name], float) else str(row[name]) for name in head] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *cells])


SIZES = ((100, 10), (200, 15), (500, 20))
SECTIONS: dict[str, tuple[str, Callable[[], list[dict[str, Any]]]]] = {
    "against_scs": (
        "Against cvxpy + SCS with the published rounding",
        lambda: [against_scs(kind, n, k) for n, k in SIZES[:2] for kind in ("families", "directions")],
    ),
    "against_scs_500": ("The same with 500 tasks", lambda: [against_scs("families", *SIZES[2])]),
    "certified": (
        "Where families overlap, the relaxation is less tight",
        lambda: [certified("directions", n, k) for n, k in SIZES],
    ),
    "large": ("A thousand tasks", lambda: [certified(kind, 1000, 25) for kind in ("families", "directions")]),
    "noise": (
        "Pure noise: the relaxation itself is loose",
        lambda: [certified("noise", n, k) for n, k in SIZES],
    ),
    "exact": (
        "Few tasks: proven optimal",
        lambda: [certified(kind, n, 4) for kind in INSTANCES for n in (12, 16, 20, 24)],
    ),
    "roundings": ("What the published rounding loses (n = 40, k = 5)", roundings),
    "recovery": ("Adjusted Rand index of planted groups, n = 40, k = 5, noise 1.2", recovery),
}


def main() -> None:
    file = RESULTS / "grouping_density.json"
    results: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    results["machine"] = (
        f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}, "
        f"scipy {scipy.__version__}, cvxpy {cp.__version__}, one thread"
    )
    with threadpool_limits(1):
        grouped(families(30, 4, 0), 4)  # imports
        for name in sys.argv[1:] or SECTIONS:
            results[name] = SECTIONS[name][1]()
            file.write_text(json.dumps(results, indent=1))
    text = [f"# Average density\n\n{(__doc__ or '').split('the results. ')[1]}\nMachine: {results['machine']}.\n"]
    text += [f"## {title}\n\n{table(results[name])}\n" for name, (title, _) in SECTIONS.items() if name in results]
    (RESULTS / "grouping_density.md").write_text("\n".join(text))
    sys.stdout.write("\n".join(text))


if __name__ == "__main__":
    main()
