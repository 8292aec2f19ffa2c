"""Sampled neighbourhoods: who may appear in a tree, and that whole ones lose nothing."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cotrain.models.sampled_graph import MeanLayer, SampledGraphFactory
from cotrain.problem import NetworkOptions, Task
from cotrain.problem.graphs import Graph, sample_trees

PAIRS = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=25)


def _graph(pairs: list[tuple[int, int]]) -> Graph:
    return Graph.of(np.array(pairs, dtype=np.int64).reshape(-1, 2), nodes=9)


@given(PAIRS, st.integers(1, 4), st.integers(0, 3))
@settings(max_examples=50, deadline=None)
def test_a_node_shows_distinct_neighbours_and_as_many_as_fit(
    pairs: list[tuple[int, int]], fanout: int, seed: int
) -> None:
    graph = _graph(pairs)
    trees = sample_trees(graph, np.arange(9), fanouts=(fanout,), seed=seed)
    for node, tree in enumerate(trees):
        shown = tree[1:][tree[1:] >= 0]
        assert tree[0] == node
        assert len(set(shown)) == len(shown) == min(fanout, int(graph.degree[node]))
        assert set(shown) <= set(graph.adjacency[[node]].indices)


def test_absent_neighbours_have_no_neighbours() -> None:
    trees = sample_trees(_graph([(0, 1)]), np.array([0, 2]), fanouts=(2, 3))
    assert trees[0].tolist() == [0, 1, -1, 0, -1, -1, -1, -1, -1]
    assert trees[1].tolist() == [2, *[-1] * 8]


def test_draws_follow_the_seed() -> None:
    graph = _graph([(i, j) for i in range(9) for j in range(i)])
    drawn = [sample_trees(graph, np.arange(9), fanouts=(3,), seed=seed) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert (drawn[0] != drawn[2]).any()


def test_whole_neighbourhoods_are_graph_sage_itself() -> None:
    geometric = pytest.importorskip("torch_geometric.nn")
    random = np.random.default_rng(0)
    graph = _graph([(int(i), int(j)) for i, j in random.integers(0, 8, size=(12, 2))])
    features = torch.from_numpy(random.normal(size=(9, 3)).astype(np.float32))
    network = SampledGraphFactory(features, (8, 8), NetworkOptions(hidden=(4, 2)))([Task("a"), Task("b")])
    hidden, edges = features, torch.from_numpy(graph.edge_index)
    for layer, width in zip(network.layers, (4, 2), strict=True):
        assert isinstance(layer, MeanLayer)
        convolution = geometric.SAGEConv(hidden.shape[1], width)
        convolution.lin_l.weight, convolution.lin_l.bias = layer.others.weight, layer.own.bias
        convolution.lin_r.weight = layer.own.weight
        hidden = convolution(hidden, edges).relu()
    trees = torch.from_numpy(sample_trees(graph, np.arange(9), fanouts=(8, 8)))
    torch.testing.assert_close(network(trees), network.heads(hidden))
