"""Local search climbs to partitions that no single move improves, and reports their value."""

from __future__ import annotations

import numpy as np
import pytest
from tests.grouping.partitions import symmetric

from cotrain.grouping.density.agglomeration import agglomerate, cut
from cotrain.grouping.density.group_count import GroupCount
from cotrain.grouping.density.local_search import Search, shaken
from cotrain.grouping.density.objective import density


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_no_single_move_improves_the_result(seed: int, exact: bool) -> None:
    rng = np.random.default_rng(seed)
    matrix, count = symmetric(rng.normal(size=(12, 12))), GroupCount(4, exact=exact, penalty=0.3)
    starts = shaken(np.arange(12) % 4, share=1.0, count=3, rng=rng)
    found, values = Search(matrix, count).ascend(starts)
    for start, labels, value in zip(starts, found, values, strict=True):
        assert value == pytest.approx(density(matrix, labels) - 0.3 * len(np.unique(labels)))
        assert value >= density(matrix, start) - 0.3 * 4 - 1e-9
        for task in range(12):
            for group in range(4):
                moved = labels.copy()
                moved[task] = group
                if count.allows(len(np.unique(moved))):
                    assert density(matrix, moved) - 0.3 * len(np.unique(moved)) <= value + 1e-9


def test_shaking_moves_few_tasks_and_keeps_group_sizes() -> None:
    labels = np.arange(20) % 4
    copies = shaken(labels, share=0.2, count=6, rng=np.random.default_rng(0))
    assert {tuple(np.bincount(copy)) for copy in copies} == {(5, 5, 5, 5)}
    assert 0 < (copies != labels).sum(axis=1).max() <= 4
    assert len(np.unique(copies, axis=0)) > 1


def test_agglomeration_reports_the_value_of_every_cut() -> None:
    matrix = symmetric(np.random.default_rng(3).normal(size=(9, 9)))
    merges, values = agglomerate(matrix, penalty=0.2)
    for groups in range(1, 10):
        labels = cut(merges, groups)
        assert len(np.unique(labels)) == groups
        assert density(matrix, labels) - 0.2 * groups == pytest.approx(values[groups - 1])


def test_agglomeration_continues_from_groups() -> None:
    matrix = symmetric(np.random.default_rng(4).normal(size=(8, 8)))
    labels = np.array([0, 0, 1, 1, 2, 2, 3, 3])
    member = np.eye(4)[labels]
    merges, values = agglomerate(member.T @ matrix @ member, sizes=member.sum(axis=0))
    assert values[1] == pytest.approx(density(matrix, cut(merges, 2)[labels]))
