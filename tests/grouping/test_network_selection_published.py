"""Network selection on published matrices and on the measured Taskonomy subsets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cotrain.affinity.affinity import Affinity
from cotrain.affinity.subset_losses import SubsetLosses
from cotrain.grouping.grouping import Grouping
from cotrain.grouping.network_selection import NetworkSelection
from cotrain.grouping.selection.budget import CostBudget
from cotrain.grouping.selection.candidate_networks import CandidateNetworks
from cotrain.grouping.selection.group_scores import Alone

MATRICES: dict[tuple[str, str], tuple[str, Alone]] = {
    ("celeba", "TAG"): ("celeba_tag_affinity", "auto"),
    ("celeba", "CS"): ("celeba_cosine", "auto"),
    ("celeba", "HOA"): ("celeba_pair_val_accuracy", "diagonal"),
    ("taskonomy", "TAG"): ("taskonomy_tag_affinity", "auto"),
    ("taskonomy", "CS"): ("taskonomy_cosine", "auto"),
    ("taskonomy", "HOA"): ("taskonomy_pair_val_loss", "diagonal"),
}
SETTINGS = ("setting1", "setting2", "setting3", "setting4")
BUDGETS = tuple(np.arange(1.0, 5.5, 0.5).tolist())


def published(folder: Path, name: str) -> Affinity:
    table = pd.read_csv(folder / f"{name}.csv", index_col=0)
    values = table.to_numpy(dtype=np.float64)
    higher_is_better = -values if name.endswith("loss") else values - 100.0 * name.endswith("accuracy")
    return Affinity.from_matrix([str(task) for task in table.index], higher_is_better, unit="published")


@pytest.mark.parametrize(("data", "method"), MATRICES)
@pytest.mark.parametrize("networks", [2, 3, 4])
def test_published_matrices_give_the_recomputed_groupings(shared: Path, data: str, method: str, networks: int) -> None:
    folder = shared / "data" / "tag_published"
    truth = json.loads((folder / "tag_published.json").read_text())
    expected = truth["groupings_recomputed_with_published_selection_rule"][data][method][f"{networks}_splits"]
    name, alone = MATRICES[data, method]
    found = NetworkSelection(networks=networks, alone=alone).group(published(folder, name))
    assert found.proof == "exact"
    assert found.objective == pytest.approx(expected["score"], abs=1e-6)
    assert set(found.groups) == {tuple(sorted(group)) for group in expected["groups"]}
    for task, position in expected["serve_from_group"].items():
        assert found.group_of(task) == tuple(sorted(expected["groups"][position]))


def rows(folder: Path, setting: str, split: str) -> pd.DataFrame:
    table = pd.read_csv(folder / "taskonomy_5tasks_all_subsets.csv")
    return table[(table["setting"] == setting) & (table["split"] == split)]


def losses(table: pd.DataFrame, size: str) -> SubsetLosses:
    table = table[table["net_size"] == size]
    mask = table[[f"in_{task}" for task in range(5)]].to_numpy(dtype=bool)
    loss = np.where(mask, table[[f"loss_{task}" for task in range(5)]].to_numpy(dtype=np.float64), np.nan)
    return SubsetLosses(tuple("01234"), mask, loss, np.full(mask.shape, np.nan), np.full(len(mask), "measured"))


def candidates(table: pd.DataFrame) -> CandidateNetworks:
    full, half = losses(table, "full"), losses(table, "half")
    return CandidateNetworks.from_subset_losses(full, measure="loss", cost=1.0) + (
        CandidateNetworks.from_subset_losses(half, measure="loss", cost=0.5)
    )


def from_pairs(table: CandidateNetworks) -> CandidateNetworks:
    """Replace the losses of three tasks and more by the mean of the pair losses."""
    scores = table.scores.copy()
    pair = {tuple(np.flatnonzero(row)): score for row, score in zip(table.members, table.scores, strict=True)}
    for row, members in enumerate(table.members):
        inside = np.flatnonzero(members)
        if len(inside) > 2:
            for task in inside:
                scores[row, task] = np.mean([pair[tuple(sorted((task, j)))][task] for j in inside if j != task])
    return CandidateNetworks(table.tasks, table.members, scores, table.cost)


def total_test_loss(found: Grouping, test: CandidateNetworks) -> float:
    """Sum over tasks of the best test loss among the chosen networks."""
    assert test.cost is not None
    chosen = set(zip(found.groups, found.diagnostics["costs"], strict=True))
    names = [tuple(np.array(test.tasks)[row].tolist()) for row in test.members]
    keep = [network in chosen for network in zip(names, test.cost.tolist(), strict=True)]
    return -float(test.scores[keep].max(axis=0).sum())


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("rule", ["optimal", "hoa"])
def test_measured_subsets_give_the_reference_curves(shared: Path, setting: str, rule: str) -> None:
    folder = shared / "data" / "taskgrouping_taskonomy"
    reference: dict[str, Any] = json.loads((folder / "selection_reference.json").read_text())[f"{setting}_{rule}"]
    measured, test = candidates(rows(folder, setting, "val")), candidates(rows(folder, setting, "test"))
    table = measured if rule == "optimal" else from_pairs(measured)
    for budget in BUDGETS:
        expected = reference[str(budget)]
        found = NetworkSelection(cost_budget=CostBudget(budget)).choose(table)
        assert found.proof == "exact"
        assert -found.objective * 5 == pytest.approx(expected["val"], abs=1e-9)
        assert total_test_loss(found, test) == pytest.approx(expected["test"], abs=1e-9)
        assert sum(found.diagnostics["costs"]) <= budget
