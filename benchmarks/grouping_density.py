"""Average density: the sections that :mod:`grouping` runs.

**Average density.** The baseline solves the same relaxation of the same instance in the same run with cvxpy's default
SCS settings (compiling included) and rounds it by the published rule: scan the tasks in order, each one that is free
opens a group and takes every later free one whose entry exceeds 1/n. That rule returns whatever number of groups it
returns; the objective is comparable across numbers (zero diagonal), and the table of roundings compares with cotrain
for the number returned. Where SCS reaches its time limit (wall clock), its status says so, what it had is rounded if it
had anything, and the ratio is a lower bound. cotrain's time is the whole of
``AverageDensity(networks=k, exactly=True).group``: local search, relaxation, bounds, roundings; the tolerance is the
default, .15 %, or .5 %.
Some overlapping families end with a larger gap than the tolerance, triangle inequalities included; "density-gaps"
counts them over draws that no setting was chosen on alone.
"families" are unequal families of tasks with noise; "directions" are families that overlap, from inner products of
noisy directions in eight dimensions; "noise" has no structure at all.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import cvxpy as cp
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

from cotrain.affinity.affinity import Affinity
from cotrain.grouping.average_density import AverageDensity
from cotrain.grouping.density.group_count import GroupCount
from cotrain.grouping.density.objective import density
from cotrain.grouping.density.solver import DensitySolver

Matrix = NDArray[np.float64]
Labels = NDArray[np.int64]
Row = dict[str, Any]
Rows = list[Row]


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


def conic(matrix: Matrix, groups: int, limit: float = float("inf")) -> tuple[Matrix | None, str]:
    """Solve the relaxation the way the published code does; the solver's status beside it."""
    X = cp.Variable(matrix.shape, PSD=True)
    constraints = [X >= 0, cp.trace(X) == groups, cp.sum(X, axis=1) == 1]
    problem = cp.Problem(cp.Maximize(cp.sum(cp.multiply(matrix, X))), constraints)
    options = {} if limit == float("inf") else {"time_limit_secs": limit}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it stopped early shows in the status
            problem.solve(solver=cp.SCS, **options)
    except cp.SolverError:
        return None, f"no answer in {limit:.0f} s"
    return None if X.value is None else np.asarray(X.value), str(problem.status)


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


def grouped(matrix: Matrix, groups: int, **options: Any) -> tuple[Any, float]:
    affinity = Affinity.from_matrix([f"t{task:04d}" for task in range(len(matrix))], matrix)
    return timed(lambda: AverageDensity(networks=groups, exactly=True, **options).group(affinity))


def warm_up() -> None:
    """Import all that is imported on first use: without structure, nothing is skipped."""
    grouped(noise(30, 4, 0), 4)


def against_scs(tasks: int, groups: int, draws: int, limit: float = float("inf")) -> Rows:
    """Solve each instance by SCS once, by cotrain to its default gap and to a coarser one."""
    warm_up()
    rows = []
    for kind in ("families", "directions"):
        for seed in range(tasks, tasks + draws):
            matrix = INSTANCES[kind](tasks, groups, seed)
            (solution, status), seconds = timed(lambda matrix=matrix: conic(seen(matrix), groups, limit))
            for tolerance in (1.5e-3, 5e-3):
                row = {"instance": kind, "k": groups, "seed": seed} | certificate(matrix, groups, tolerance=tolerance)
                row |= {"scs s": seconds, "ratio": seconds / row["cotrain s"], "scs status": status}
                rows.append(row | published(matrix, solution))
    return rows


def certificate(matrix: Matrix, groups: int, **options: Any) -> Row:
    grouping, seconds = grouped(matrix, groups, **options)
    return {
        "n": len(matrix), "cotrain s": seconds, "objective": grouping.objective, "gap %": 100 * grouping.gap,
        "status": grouping.status,
    }  # fmt: skip


def published(matrix: Matrix, solution: Matrix | None) -> Row:
    """Round what SCS found by the published rule."""
    if solution is None:
        return {"published objective": None, "published groups": None}
    labels = published_rounding(solution)
    return {"published objective": density(seen(matrix), labels), "published groups": int(labels.max()) + 1}


def certified(tasks: int, groups: int, kinds: tuple[str, ...] = ("families", "directions")) -> Rows:
    warm_up()
    return [
        {"instance": kind, "k": groups} | certificate(INSTANCES[kind](tasks, groups, tasks), groups) for kind in kinds
    ]


def gaps() -> Rows:
    """Return how many gaps end within the default tolerance, over more draws than are compared with SCS."""
    warm_up()
    return [
        gaps_of(kind, tasks, groups, draws) for tasks, groups, draws in ((100, 10, 20), (200, 15, 10))
        for kind in ("families", "directions")
    ]  # fmt: skip


def gaps_of(kind: str, tasks: int, groups: int, draws: int) -> Row:
    rows = [certificate(INSTANCES[kind](tasks, groups, seed), groups) for seed in range(draws)]
    found, seconds = [row["gap %"] for row in rows], [row["cotrain s"] for row in rows]
    return {
        "instance": kind, "k": groups, "n": tasks, "draws": draws, "within .15 %": sum(gap <= 0.15 for gap in found),
        "median gap %": float(np.median(found)), "worst gap %": max(found), "median s": float(np.median(seconds)),
        "worst s": max(seconds),
    }  # fmt: skip


def noise_gaps() -> Rows:
    return [row for tasks, groups in ((100, 10), (200, 15)) for row in certified(tasks, groups, ("noise",))]


def exact() -> Rows:
    return [row for tasks in (12, 16, 20, 24) for row in certified(tasks, 4, tuple(INSTANCES))]


def roundings(draws: int = 20) -> Rows:
    """Return how much lower the published rounding is than cotrain with as many groups as that returned."""
    rows = []
    for kind, instance in INSTANCES.items():
        losses, groups = [], []
        for seed in range(draws):
            matrix = seen(instance(40, 5, seed))
            theirs = published(matrix, conic(matrix, 5)[0])
            own = DensitySolver(matrix, GroupCount(theirs["published groups"])).solve()
            losses.append(100 * (own.value - theirs["published objective"]) / abs(own.value))
            groups.append(theirs["published groups"])
        row = {"instance": kind, "draws": draws, "asked": 5, "published groups": f"{min(groups)}-{max(groups)}"}
        row |= {f"{name} loss %": float(how(losses)) for name, how in SUMMARIES.items()}
        rows.append(row)
    return rows


def recovery(draws: int = 10) -> Rows:
    """Return the adjusted Rand index of planted groups, n = 40, k = 5, noise 1.2."""
    own, theirs = [], []
    for seed in range(draws):
        matrix, truth = planted(40, 5, seed)
        own.append(adjusted_rand_score(truth, DensitySolver(seen(matrix), GroupCount(5)).solve().labels))
        solution, _ = conic(seen(matrix), 5)
        if solution is not None:
            theirs.append(adjusted_rand_score(truth, published_rounding(solution)))
    return [{"draws": draws, "cotrain": float(np.mean(own)), "published": float(np.mean(theirs))}]
