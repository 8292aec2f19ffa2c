"""Network selection: the sections that :mod:`grouping` runs.

**Network selection.** "enumeration" is the published notebook's way done afresh: recursion in Python over all sets of
at most b of the 2^n - 1 groups, carrying every task's best score. It runs to its end at fewer tasks or networks, where
the objectives are compared; its time at 9 tasks and 4 networks is extrapolated from its rate over the first twenty
million sets. "random starts" is the best of ten: the same relocation search from random sets of equal size. They are
the ten that the forty starts of network selection contain, so that it is never below them.

Instances, one network per ten tasks (at least four): "blocks" are planted groups of ten (affinity .08 inside, -.02
between) with noise of the given size on every entry; "factors" are inner products of random directions in three
dimensions (.1 cos - .02), so that groups overlap without clear borders, with noise; "noise" is noise alone; "mimic" is
the measured pairwise gains of the 27 MIMIC tasks in the development data.

Where the certified gap sits: with heuristic pricing run to its end, the program over columns is worth what the grouping
is worth (to .001 %) on all ten instances of 60 and 100 tasks; neither the grouping nor that program loses, all of the
gap is the bound on the best group. Row sums, with or without Lagrangian multipliers, leave it at tens of per cent at
100 tasks; with a semidefinite matrix per size the search stops at half a per cent on most "blocks". What is left on
"factors" is the search for prices, which still falls slowly when its steps (600, then half as many with helpers) end.
Up to 60 tasks, branch-and-bound pricing follows where more than 1 % is left: on "mimic" the semidefinite bound with
helpers is loose (4.75 %), and fixing who is served one by one is not.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cotrain.affinity.affinity import Affinity
from cotrain.grouping.network_selection import NetworkSelection
from cotrain.grouping.selection.constraints import Constraints
from cotrain.grouping.selection.group_scores import GroupScores
from cotrain.grouping.selection.relocation import descend
from cotrain.grouping.selection.restarts import chance_starts
from cotrain.grouping.selection.served_sets import ServedSets
from cotrain.grouping.selection.terms import Terms

SHARED = Path(__file__).parents[2] / "shared"
MEASURED_SETS = 2e7  # of 2.8e9 that the enumeration would visit at 9 tasks and 4 networks
Matrix = NDArray[np.float64]
Row = dict[str, Any]


def blocks(tasks: int, noise: float, seed: int) -> Matrix:
    """Planted groups of ten (at least two groups)."""
    family = np.arange(tasks) % max(2, tasks // 10)
    planted = np.where(family[:, None] == family, 0.08, -0.02)
    return np.asarray(planted + np.random.default_rng(seed).normal(0, noise, (tasks, tasks)))


def factors(tasks: int, noise: float, seed: int) -> Matrix:
    """Directions in three dimensions: groups without clear borders."""
    random = np.random.default_rng(seed)
    directions = random.normal(size=(tasks, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return np.asarray(0.1 * directions @ directions.T - 0.02 + random.normal(0, noise, (tasks, tasks)))


def pure_noise(tasks: int, noise: float, seed: int) -> Matrix:
    """No structure."""
    return np.asarray(np.random.default_rng(seed).normal(0, noise, (tasks, tasks)))


FAMILIES: dict[str, Callable[[int, float, int], Matrix]] = {"blocks": blocks, "factors": factors, "noise": pure_noise}


def affinity(matrix: Matrix) -> Affinity:
    """Name the tasks so that their order is that of the matrix."""
    values = matrix.copy()
    np.fill_diagonal(values, 0.0)
    return Affinity.from_matrix([f"t{position:03d}" for position in range(len(values))], values)


def enumerate_groups(matrix: Matrix, networks: int, most: float = np.inf) -> tuple[float, int, float]:
    """Objective, sets of groups visited, CPU seconds of the published way; stops after ``most`` sets."""
    tasks = len(matrix)
    groups = [[task for task in range(tasks) if code >> task & 1] for code in range(1, 1 << tasks)]
    scores = [
        {i: sum(matrix[i, j] for j in group if j != i) / max(len(group) - 1, 1) for i in group} for group in groups
    ]
    best, visited = -np.inf, 0

    def extend(first: int, left: int, served: dict[int, float]) -> None:
        nonlocal best, visited
        for position in range(first, len(groups)):
            if visited >= most:
                return
            visited += 1
            now = dict(served)
            for task, score in scores[position].items():
                if task not in now or score > now[task]:
                    now[task] = score
            if len(now) == tasks:
                best = max(best, sum(now.values()) / tasks)
            if left > 1:
                extend(position + 1, left - 1, now)

    start = time.process_time()
    extend(0, networks, {})
    return best, visited, time.process_time() - start


def select(matrix: Matrix, selection: NetworkSelection, repeats: int = 1) -> tuple[Any, float]:
    """Return the grouping and the least CPU seconds of ``repeats`` runs."""
    given, seconds = affinity(matrix), []
    for _ in range(repeats):
        start = time.process_time()
        found = selection.group(given)
        seconds.append(time.process_time() - start)
    return found, min(seconds)


def against_enumeration() -> list[Row]:
    """Compare objectives where enumeration ends, and times; that of 9 tasks, 4 networks is extrapolated."""
    rows = []
    for tasks, networks in [(5, 3), (6, 3), (7, 3), (9, 2)]:
        matrix = pure_noise(tasks, 1.0, 0)
        objective, visited, seconds = enumerate_groups(matrix, networks)
        found, ours = select(matrix, NetworkSelection(networks=networks), repeats=20)
        equal = bool(abs(found.objective - objective) < 1e-9)
        rows.append(row(tasks, networks, seconds, ours, equal=equal, note=f"{visited / seconds:.3g} sets/s"))
    matrix = pure_noise(9, 1.0, 0)
    _, visited, seconds = enumerate_groups(matrix, 4, most=MEASURED_SETS)
    _, ours = select(matrix, NetworkSelection(networks=4), repeats=20)
    total = sum(comb(511, count) for count in range(1, 5)) / (visited / seconds)
    note = f"enumeration extrapolated from its first {visited:.0e} sets: {visited / seconds:.3g} sets/s"
    return [*rows, row(9, 4, total, ours, equal=None, note=note)]


def row(tasks: int, networks: int, theirs: float, ours: float, *, equal: bool | None, note: str) -> Row:
    """One line of the comparison."""
    return {
        "tasks": tasks, "networks": networks, "enumeration s": theirs, "cotrain s": ours, "ratio": theirs / ours,
        "same objective": equal, "note": note,
    }  # fmt: skip


def exact() -> list[Row]:
    """Proven optima: CPU seconds over five instances of every family, four networks."""
    rows = []
    for tasks in (12, 16, 20, 24):
        for name, noise in [("blocks", 0.04), ("factors", 0.03), ("noise", 1.0)]:
            runs = [select(FAMILIES[name](tasks, noise, seed), NetworkSelection(networks=4)) for seed in range(5)]
            seconds = [run[1] for run in runs]
            proven = sum(run[0].proof == "exact" for run in runs)
            rows.append(
                {"tasks": tasks, "family": name, "noise": noise, "median s": float(np.median(seconds)),
                 "most s": max(seconds), "proven": f"{proven}/5"}
            )  # fmt: skip
    return rows


def local_search(tasks: int, seeds: int) -> list[Row]:
    """Without a bound, against ten random starts."""
    rows = []
    for name, noise in [("blocks", 0.04), ("factors", 0.02)]:
        for seed in range(seeds):
            matrix = FAMILIES[name](tasks, noise, seed)
            found, seconds = select(matrix, NetworkSelection(networks=tasks // 10, steps=0))
            best, theirs = random_starts(matrix, tasks // 10)
            rows.append(
                {"tasks": tasks, "family": name, "noise": noise, "seed": seed, "cotrain s": seconds,
                 "objective": found.objective, "random starts s": theirs, "random starts": best,
                 "above random starts %": 100 * (found.objective - best) / abs(best)}
            )  # fmt: skip
    return rows


def random_starts(matrix: Matrix, networks: int, starts: int = 10) -> tuple[float, float]:
    """Best objective of the relocation search from random sets, and CPU seconds of all."""
    tasks = len(matrix)
    names = affinity(matrix).tasks
    terms = Terms(names, Constraints().resolve(names), networks, None, 0.0, np.zeros((0, tasks), dtype=bool), 0.0, None)
    benefit = matrix - np.diag(np.diag(matrix))
    sets = ServedSets(GroupScores(benefit, np.zeros(tasks)), terms)
    start = time.process_time()
    best = max(descend(sets, labels)[1] for labels in islice(chance_starts(tasks, networks, seed=0), starts))
    return best / tasks, time.process_time() - start


def gaps(tasks: int, seeds: int) -> list[Row]:
    """Certified gap beyond 24 tasks."""
    families = [("blocks", 0.02), ("blocks", 0.04), ("blocks", 0.06), ("factors", 0.01), ("factors", 0.02)]
    return [
        gap_row(FAMILIES[name](tasks, noise, seed), name, noise, seed)
        for name, noise in families
        for seed in range(seeds)
    ]


def measured_gaps() -> list[Row]:
    """Certified gap on measured pairs of 27 tasks; the development data must lie beside the repository."""
    return [gap_row(measured_pairs(SHARED / "data" / "mtgnet_gains" / "mimic27_dev.npz"), "mimic", 0.0, 0)]


def gap_row(matrix: Matrix, name: str, noise: float, seed: int) -> Row:
    """Gap and CPU seconds with the default effort."""
    selection = NetworkSelection(networks=max(4, len(matrix) // 10))
    found, seconds = select(matrix, selection)
    _, unbounded = select(matrix, replace(selection, steps=0))
    return {
        "tasks": len(matrix), "family": name, "noise": noise, "seed": seed, "objective": found.objective,
        "gap %": 100 * found.gap, "proof": found.proof, "s": seconds, "s without bound": unbounded,
    }  # fmt: skip


def measured_pairs(path: Path) -> Matrix:
    """Gain of every task in every pair."""
    truth = np.load(path, allow_pickle=False)
    mask, gain = truth["mask"].astype(bool), truth["gain_valid"]
    matrix = np.zeros((mask.shape[1], mask.shape[1]))
    for members, gains in zip(mask, gain, strict=True):
        if members.sum() == 2:
            one, other = np.flatnonzero(members)
            matrix[one, other], matrix[other, one] = gains[one], gains[other]
    return matrix
