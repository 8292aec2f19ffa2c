"""Network selection against an enumerator that knows nothing of the solvers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from cotrain.affinity.affinity import Affinity
from cotrain.errors import InputError
from cotrain.grouping.grouping import Grouping
from cotrain.grouping.network_selection import NetworkSelection
from cotrain.grouping.selection import solver
from cotrain.grouping.selection.budget import CostBudget, LinearCost
from cotrain.grouping.selection.constraints import Constraints

Matrix = NDArray[np.float64]
Group = tuple[str, ...]
NAMES = "gbfaced"


def random_affinity(random: np.random.Generator, tasks: int) -> Affinity:
    matrix = random.normal(size=(tasks, tasks)) + random.choice([-1.0, 0.0, 1.0]) * random.random()
    return Affinity.from_matrix(NAMES[:tasks], matrix, standard_error=random.random((tasks, tasks)))


@lru_cache
def combinations_of(groups: int, count: int) -> NDArray[np.int64]:
    return np.array(list(combinations(range(groups), count)), dtype=np.int64).reshape(-1, count)


@dataclass(frozen=True, eq=False)
class Enumerator:
    """Every group, then every set of groups, straight from the definitions."""

    selection: NetworkSelection
    affinity: Affinity

    def best(self) -> float:
        """Objective of the best choice; ``-inf`` without one."""
        groups = [group for group in self.groups() if self.allowed(group)]
        if not groups:
            return -np.inf
        served = np.array([[self.served(unit, group) for unit in self.units] for group in groups])
        new = np.array([self.is_new(group) for group in groups], dtype=np.float64)
        cost = np.array([self.cost(group) for group in groups])
        best = -np.inf
        for count in range(1, (self.selection.networks or len(self.affinity.tasks)) + 1):
            chosen = combinations_of(len(groups), count)
            fits = cost[chosen].sum(axis=1) <= self.most_cost + 1e-9
            fits &= new[chosen].sum(axis=1) <= self.most_new
            chosen = chosen[fits]
            mean = served[chosen].max(axis=1).sum(axis=1) / len(self.affinity.tasks)
            charges = self.selection.minimum_gain * (count - 1) + self.selection.switching_cost * new[chosen].sum(
                axis=1
            )
            best = max(best, float((mean - charges).max(initial=-np.inf)))
        return best

    @property
    def most_cost(self) -> float:
        return np.inf if self.selection.cost_budget is None else self.selection.cost_budget.total

    @property
    def most_new(self) -> float:
        return np.inf if self.selection.new_networks is None else self.selection.new_networks

    def cost(self, group: Group) -> float:
        budget = self.selection.cost_budget
        if budget is None:
            return 0.0
        return budget.cost[group] if isinstance(budget.cost, Mapping) else budget.cost(group)

    def groups(self) -> Iterator[Group]:
        tasks = sorted(self.affinity.tasks)
        for size in range(1, len(tasks) + 1):
            yield from combinations(tasks, size)

    def allowed(self, group: Group) -> bool:
        rules = self.selection.constraints
        small = rules.maximum_group_size is None or len(group) <= rules.maximum_group_size
        return small and all(len(set(pair) & set(group)) < 2 for pair in rules.cannot_link)

    def is_new(self, group: Group) -> bool:
        return self.selection.current is None or group not in self.selection.current.groups

    def objective(self, chosen: tuple[Group, ...]) -> float:
        served = sum(max(self.served(unit, group) for group in chosen) for unit in self.units)
        charges = self.selection.minimum_gain * (len(chosen) - 1)
        return (
            served / len(self.affinity.tasks) - charges - self.selection.switching_cost * sum(map(self.is_new, chosen))
        )

    @cached_property
    def units(self) -> list[set[str]]:
        units = [{task} for task in self.affinity.tasks]
        for linked in self.selection.constraints.must_link:
            joined = [unit for unit in units if unit & set(linked)]
            units = [unit for unit in units if unit not in joined] + [set().union(*joined)]
        return units

    def served(self, unit: set[str], group: Group) -> float:
        needs = self.selection.constraints.required_helpers
        needed = unit.union(*(needs.get(task, ()) for task in unit))
        return sum(self.score(task, group) for task in unit) if needed <= set(group) else -np.inf

    def score(self, task: str, group: Group) -> float:
        partners = [self.affinity.tasks.index(other) for other in group if other != task]
        row = self.affinity.tasks.index(task)
        return float(self.entries[row, partners].mean()) if partners else float(self.alone[row])

    @cached_property
    def entries(self) -> Matrix:
        level = self.selection.confidence
        slack = 0.0 if level is None else norm.ppf(level) * self.affinity.standard_error
        shift, scale = self.shift_and_scale
        return np.asarray((self.affinity.matrix - slack - shift) / scale)

    @cached_property
    def alone(self) -> Matrix:
        count = len(self.affinity.tasks)
        named = {
            "auto": np.zeros(count),
            "forbidden": np.full(count, -np.inf),
            "diagonal": np.diag(self.affinity.matrix),
        }
        shift, scale = self.shift_and_scale
        return np.asarray((named[str(self.selection.alone)] - shift[:, 0]) / scale[:, 0])

    @cached_property
    def shift_and_scale(self) -> tuple[Matrix, Matrix]:
        count = len(self.affinity.tasks)
        shift, scale = np.zeros((count, 1)), np.ones((count, 1))
        for row in range(count if self.selection.normalisation != "none" else 0):
            others = np.delete(self.affinity.matrix[row], row)
            shift[row] = others.mean() if self.selection.normalisation == "zscore" else 0.0
            scale[row] = others.std()
        return shift, scale


def plain(random: np.random.Generator, _: tuple[str, ...]) -> dict[str, Any]:
    return {"alone": random.choice(["auto", "diagonal", "forbidden"])}


def normalised(random: np.random.Generator, _: tuple[str, ...]) -> dict[str, Any]:
    return {"normalisation": str(random.choice(["zscore", "scale"]))}


def careful(random: np.random.Generator, _: tuple[str, ...]) -> dict[str, Any]:
    return {"confidence": float(random.uniform(0.5, 0.99))}


def costly(random: np.random.Generator, names: tuple[str, ...]) -> dict[str, Any]:
    heads = {name: float(random.random()) for name in names}
    return {"cost_budget": CostBudget(1.0 + float(random.random()) * 3, LinearCost(0.5, heads))}


def arbitrarily_costly(random: np.random.Generator, _: tuple[str, ...]) -> dict[str, Any]:
    power = float(random.uniform(0.3, 1.5))
    return {"cost_budget": CostBudget(float(random.uniform(2, 6)), lambda group: len(group) ** power)}


def small(random: np.random.Generator, names: tuple[str, ...]) -> dict[str, Any]:
    return {"constraints": Constraints(maximum_group_size=int(random.integers(1, len(names) + 1)))}


def linked(random: np.random.Generator, names: tuple[str, ...]) -> dict[str, Any]:
    return {"constraints": Constraints(must_link=[random.choice(names, size=2, replace=False).tolist()])}


def parted(random: np.random.Generator, names: tuple[str, ...]) -> dict[str, Any]:
    return {"constraints": Constraints(cannot_link=[random.choice(names, size=2, replace=False).tolist()])}


def helped(random: np.random.Generator, names: tuple[str, ...]) -> dict[str, Any]:
    task, *helpers = random.choice(names, size=3, replace=False).tolist()
    return {"constraints": Constraints(required_helpers={task: helpers})}


def constrained(random: np.random.Generator, names: tuple[str, ...]) -> dict[str, Any]:
    a, b, c, d = random.choice(names, size=4, replace=False).tolist()
    rules = Constraints(max(3, len(names) - 1), must_link=[(a, b)], cannot_link=[(a, c)], required_helpers={b: [d]})
    return {"constraints": rules, "minimum_gain": float(random.random()) * 0.1}


def charged(random: np.random.Generator, _: tuple[str, ...]) -> dict[str, Any]:
    return {"minimum_gain": float(random.random()) * 0.5}


def settled(random: np.random.Generator, names: tuple[str, ...]) -> dict[str, Any]:
    halves = [names[: len(names) // 2], names[len(names) // 2 :]]
    return {"current": Grouping.from_groups(halves), "switching_cost": float(random.random()) * 0.5}


def rarely_retrained(random: np.random.Generator, names: tuple[str, ...]) -> dict[str, Any]:
    halves = [names[: len(names) // 2], names[len(names) // 2 :]]
    return {"current": Grouping.from_groups(halves), "new_networks": int(random.integers(0, 2))}


KINDS = (
    plain, normalised, careful, costly, arbitrarily_costly, small, linked, parted, helped, constrained, charged,
    settled, rarely_retrained,
)  # fmt: skip


def check_instance(kind: Any, seed: int) -> None:
    random = np.random.default_rng(seed)
    affinity = random_affinity(random, tasks=int(random.integers(4, 8)))
    networks = int(random.integers(1, 4 if len(affinity.tasks) < 7 else 3))
    selection = replace(NetworkSelection(networks=networks), **kind(random, affinity.tasks))
    enumerator = Enumerator(selection, affinity)
    expected = enumerator.best()
    if expected == -np.inf:
        with pytest.raises(InputError):
            selection.group(affinity)
        return
    found = selection.group(affinity)
    assert found.objective == pytest.approx(expected, abs=1e-9), seed
    assert enumerator.objective(found.groups) == pytest.approx(expected, abs=1e-9)
    assert found.proof == "exact"
    assert all(map(enumerator.allowed, found.groups))


@pytest.mark.parametrize("kind", KINDS)
def test_equals_the_enumerator_on_random_instances(kind: Any) -> None:
    for seed in range(77):
        check_instance(kind, seed)


@pytest.mark.parametrize("kind", KINDS)
def test_column_generation_equals_the_enumerator_too(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solver, "_PARTITION_UNITS", 0)
    monkeypatch.setattr(solver, "_LISTED_TASKS", 7)
    for seed in range(8):
        check_instance(kind, seed)


@pytest.mark.parametrize("kind", KINDS)
def test_bounds_of_many_tasks_hold(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_PARTITION_UNITS", "_LISTED_TASKS", "_ENUMERATED_TASKS"):
        monkeypatch.setattr(solver, name, 0)
    for seed in range(5):
        random = np.random.default_rng(seed)
        affinity = random_affinity(random, tasks=6)
        selection = replace(NetworkSelection(networks=2, gap=0.0), **kind(random, affinity.tasks))
        expected = Enumerator(selection, affinity).best()
        if expected > -np.inf:
            found = selection.group(affinity)
            assert found.objective <= expected + 1e-9
            assert found.bound >= expected - 1e-9
