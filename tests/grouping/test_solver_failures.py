"""A solver that stops without an answer is an error with its status, never a silent grouping."""

from __future__ import annotations

from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.grouping.partitions import Matrix, given, task_like

from cotrain.errors import SolverError
from cotrain.grouping.affinity_propagation import AffinityPropagation
from cotrain.grouping.average_density import AverageDensity
from cotrain.grouping.base import Grouper
from cotrain.grouping.density import column_generation
from cotrain.grouping.network_selection import NetworkSelection
from cotrain.grouping.overlapping_density import OverlappingDensity
from cotrain.grouping.selection import facility_location, master
from cotrain.grouping.selection.budget import CostBudget

UNTIGHT = np.random.default_rng(22).normal(size=(7, 7))
"""Here the linear program over subsets leaves a gap to what local search finds."""
CASES: dict[str, tuple[ModuleType, str, Grouper, Matrix]] = {
    "selection, integer": (facility_location, "milp", NetworkSelection(cost_budget=CostBudget(2.0)), np.eye(3)),
    "selection, linear": (master, "linprog", NetworkSelection(networks=3), task_like(14, 3, seed=0)),
    "density, linear": (
        column_generation, "linprog", AverageDensity(networks=3, exactly=True), task_like(14, 3, seed=0),
    ),
    "density, integer": (column_generation, "milp", OverlappingDensity(networks=3), UNTIGHT),
}  # fmt: skip


@pytest.mark.parametrize(("module", "solver", "grouper", "matrix"), CASES.values(), ids=CASES)
def test_a_solver_that_stops_is_an_error_with_its_status(
    module: ModuleType, solver: str, grouper: Grouper, matrix: Matrix, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any, **__: Any) -> SimpleNamespace:
        return SimpleNamespace(x=None, status=4, message="numerical difficulties")

    monkeypatch.setattr(module, solver, stop)
    with pytest.raises(SolverError, match=r"status 4\): numerical difficulties"):
        grouper.group(given(matrix))


def test_messages_that_never_settle_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AffinityPropagation, "_run", lambda *_: None)
    with pytest.raises(SolverError, match="did not settle"):
        AffinityPropagation().group(given(task_like(6, 2, seed=0)))
