"""Trained groups made up from a seed, without training anything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from cotrain.affinity.affinity import Affinity
from cotrain.affinity.subset_losses import SubsetLosses
from cotrain.cost import Cost
from cotrain.evaluation.intervals import t_interval
from cotrain.evaluation.trained import TrainedGroups
from cotrain.evaluation.verdict import Arm, ArmName, Comparison, Verdict
from cotrain.grouping.grouping import Grouping

HOSTILE = '<script>alert("x")</script> $\\frac{1}{0}$ & \x00'


def make_affinity(tasks: Sequence[str], *, seed: int = 0, unit: str = "gain") -> Affinity:
    """Return blocks of tasks that help each other, plus noise."""
    random = np.random.default_rng(seed)
    block = np.arange(len(tasks)) * 3 // len(tasks)
    matrix = np.where(block[:, None] == block, 0.06, -0.03) + 0.03 * random.standard_normal((len(tasks), len(tasks)))
    np.fill_diagonal(matrix, 0.0)
    return Affinity(
        tuple(tasks), matrix, np.full_like(matrix, 0.01), np.full(matrix.shape, 5), "grad-tag", unit,
        cost=Cost(3.2e9, 4.0, 1), warnings=("The base model had not converged.",), citation="@article{x, title={X}}",
    )  # fmt: skip


def make_verdict(tasks: Sequence[str], gains: NDArray[np.float64], *, networks: int, seeds: int, seed: int) -> Verdict:
    """Return arms whose true gains over training alone are ``gains`` for the chosen one."""
    random = np.random.default_rng(seed)
    alone = random.uniform(0.3, 0.9, len(tasks))
    true: dict[ArmName, NDArray[np.float64]] = {
        "chosen": gains, "all-in-one": gains * 0.2 - 0.02, "one-per-task": 0.0 * gains, "random": gains * 0.4,
    }  # fmt: skip
    sizes: dict[ArmName, float] = {
        "chosen": networks, "all-in-one": 1, "one-per-task": len(tasks), "random": networks,
    }  # fmt: skip
    arms: dict[ArmName, Arm] = {}
    for name, gain in true.items():
        loss = alone * (1 - gain) * (1 + 0.01 * random.standard_normal((seeds, len(tasks))))
        cost = Cost(1e9 * sizes[name], 2.0 * sizes[name], int(sizes[name]))
        arms[name] = Arm(name, sizes[name], loss, 1 - loss / 2, cost)
    pairs: list[tuple[ArmName, ArmName]] = [
        ("chosen", "one-per-task"), ("chosen", "all-in-one"), ("chosen", "random"), ("all-in-one", "one-per-task"),
    ]  # fmt: skip
    comparisons = tuple(_comparison(arms[arm], arms[baseline]) for arm, baseline in pairs)
    sentence = f"Train {networks} groups: {comparisons[0].gain:.1%} less loss than one network per task."
    return Verdict(tuple(tasks), ("auc",) * len(tasks), arms, comparisons, "group so", sentence)


def make_trained(
    tasks: int | Sequence[str] = 6, *, networks: int = 3, seeds: int = 4, seed: int = 0, unit: str = "gain"
) -> TrainedGroups:
    """Return a whole outcome: blocks of tasks grouped together, the first task helping the last group."""
    names = [f"task {number:02d}" for number in range(tasks)] if isinstance(tasks, int) else list(tasks)
    networks = min(networks, len(names))
    affinity = make_affinity(names, seed=seed, unit=unit)
    blocks = [[str(name) for name in block] for block in np.array_split(np.array(names, dtype=object), networks)]
    if networks > 1:
        blocks[-1].append(names[0])
    grouping = Grouping.from_groups(
        blocks, tasks=names, objective=0.4, bound=0.42, proof="certified", method="average-density",
        status="optimal", notes=("k chosen on held-out subsets.",), citation="@article{y, title={Y}}",
    )  # fmt: skip
    noise = 0.02 * np.random.default_rng(seed + 1).standard_normal(len(names))
    gains = np.array([_mean_affinity(affinity, grouping, name) for name in names]) + noise
    verdict = make_verdict(names, gains, networks=networks, seeds=seeds, seed=seed)
    settings = {"seed": seed, "training": {"epochs": 200, "optimizer": "adamw"}, "versions": {"torch": "2.13"}}
    return TrainedGroups("made up", grouping, verdict, {}, affinity, Cost(9e10, 300.0, 80), settings)


def with_subset_losses(affinity: Affinity, groups: Sequence[Sequence[str]], gain: float) -> Affinity:
    """Return the affinity with estimated losses in which every task of every group gains ``gain``."""
    losses: dict[Iterable[str], dict[str, float]] = {(name,): {name: 1.0} for name in affinity.tasks}
    losses |= {tuple(group): dict.fromkeys(group, 1.0 - gain) for group in groups if len(group) > 1}
    table = SubsetLosses.from_dict(losses, tasks=affinity.tasks, source="estimated")
    parts = (affinity.matrix, affinity.standard_error, affinity.counts, affinity.method, affinity.unit)
    return Affinity(affinity.tasks, *parts, subset_losses=table)


def _mean_affinity(affinity: Affinity, grouping: Grouping, name: str) -> float:
    partners = [affinity.tasks.index(other) for other in grouping.group_of(name) if other != name]
    return float(affinity.matrix[affinity.tasks.index(name), partners].mean()) if partners else 0.0


def _comparison(arm: Arm, baseline: Arm) -> Comparison:
    mean, half = t_interval((1 - arm.test_loss / baseline.test_loss).mean(axis=1))
    return Comparison(arm.name, baseline.name, float(mean), float(mean - half), float(mean + half))
