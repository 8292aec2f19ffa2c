"""Mixtures on both embeddings, also of graphs with hardly any structure."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.grouping.partitions import Matrix, given, planted

from cotrain.grouping.graph_attention import attention_embedding
from cotrain.grouping.mixture import EMBEDDINGS, Embedding, Mixture
from cotrain.grouping.partition_grouper import similarity


def random_graph(tasks: int, density: float, seed: int) -> Matrix:
    """Erdős–Rényi: each of the pairs is joined with the same probability."""
    upper = np.triu(np.random.default_rng(seed).random((tasks, tasks)) < density, k=1)
    return np.asarray(upper | upper.T, dtype=np.float64)


@pytest.mark.parametrize("embedding", EMBEDDINGS)
@pytest.mark.parametrize(("tasks", "density"), [(2, 0.5), (9, 0.15), (9, 1.0)])
def test_random_graphs_are_grouped(embedding: Embedding, tasks: int, density: float) -> None:
    affinity = given(random_graph(tasks, density, seed=tasks))
    for networks in {2, tasks - 1 or 1}:
        grouping = Mixture(networks=networks, embedding=embedding).group(affinity)
        assert len(grouping.groups) == networks
        assert sorted(task for group in grouping.groups for task in group) == list(affinity.tasks)


@pytest.mark.parametrize("seed", range(3))
def test_attention_finds_clear_groups(seed: int) -> None:
    matrix, truth = planted(12, 3, 0.05, seed=seed)
    grouping = Mixture(networks=3, embedding="attention", seed=seed).group(given(matrix))
    found = np.array([grouping.serving[task] for task in grouping.tasks])
    assert np.array_equal(found[:, None] == found, truth[:, None] == truth)


def test_attention_embeds_similar_tasks_alike_and_leaves_random_state_alone() -> None:
    matrix, truth = planted(12, 3, 0.05, seed=0)
    before = torch.random.get_rng_state()
    points = attention_embedding(similarity(matrix), seed=0)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert np.array_equal(points, attention_embedding(similarity(matrix), seed=0))
    products = points @ points.T
    same = (truth[:, None] == truth) & ~np.eye(12, dtype=bool)
    assert products[same].min() > products[truth[:, None] != truth].max()


def test_attention_does_not_depend_on_the_order_of_tasks() -> None:
    affinity = given(planted(9, 3, 0.5, seed=1)[0])
    mixture = Mixture(networks=3, embedding="attention")
    assert mixture.group(affinity).groups == mixture.group(affinity.with_tasks(affinity.tasks[::-1])).groups
