"""Every grouper on many tasks: the section that :mod:`grouping` runs.

**Many tasks.** Each grouper of the registry is given 2,000 tasks and asked for twenty groups, then for as many as it
finds best. "blocks" are twenty planted groups (affinity .1 inside, 0 between) with noise of .1 on every entry; "noise"
is the noise alone. The outcome is the number of groups, or the refusal. The value is the average density of the
groups, comparable across all that do not overlap.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from grouping_density import Matrix, Row, Rows, seen

from cotrain.affinity.affinity import Affinity
from cotrain.errors import InputError
from cotrain.grouping.density.objective import density
from cotrain.grouping.grouping import Grouping
from cotrain.grouping.registry import GROUPERS


def every_grouper(tasks: int, groups: int) -> Rows:
    """Time each grouper, or note why it refuses."""
    return [
        {"method": method, "networks": networks, "matrix": kind} | outcome(method, networks, matrix)
        for method in GROUPERS
        for networks in (groups, None)
        for kind, matrix in matrices(tasks, groups).items()
    ]


def matrices(tasks: int, groups: int) -> dict[str, Matrix]:
    """Return planted groups in noise, and noise."""
    family, noise = np.arange(tasks) % groups, np.random.default_rng(0).normal(0, 0.1, (tasks, tasks))
    return {"blocks": 0.1 * (family[:, None] == family) + noise, "noise": noise}


def outcome(method: str, networks: int | None, matrix: Matrix) -> Row:
    """Return CPU seconds, and the groups or the refusal."""
    affinity = Affinity.from_matrix([f"t{task:04d}" for task in range(len(matrix))], matrix)
    start = time.process_time()
    try:
        found: Any = GROUPERS[method](networks=networks).group(affinity)
    except InputError as refusal:
        return {"cotrain s": time.process_time() - start, "groups": None, "value": None, "outcome": str(refusal)}
    seconds = time.process_time() - start
    return {
        "cotrain s": seconds, "groups": len(found.groups), "value": value(found, matrix),
        "outcome": found.status or found.proof,
    }  # fmt: skip


def value(grouping: Grouping, matrix: Matrix) -> float | None:
    """Return the average density of groups that do not overlap."""
    if sum(map(len, grouping.groups)) > len(grouping.tasks):
        return None
    return density(seen(matrix), np.array([grouping.serving[task] for task in grouping.tasks]))
