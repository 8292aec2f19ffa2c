"""Graphs against their definitions, on graphs small enough for dense matrices."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cotrain.errors import InputError
from cotrain.problem.graphs import Graph, propagate, structural_features

Pairs = list[tuple[int, int]]
PAIRS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=20)


def _dense(pairs: Pairs, nodes: int = 7) -> NDArray[np.float64]:
    matrix = np.zeros((nodes, nodes))
    for one, other in pairs:
        if one != other:
            matrix[one, other] = matrix[other, one] = 1
    return matrix


def _graph(pairs: Pairs, nodes: int = 7) -> Graph:
    return Graph.of(np.array(pairs, dtype=np.int64).reshape(-1, 2), nodes=nodes)


@given(PAIRS)
@settings(max_examples=50, deadline=None)
def test_edges_count_once_in_both_directions(pairs: Pairs) -> None:
    graph = _graph(pairs)
    np.testing.assert_array_equal(graph.adjacency.toarray(), _dense(pairs))
    assert graph.edges == _dense(pairs).sum() / 2
    assert graph.edge_index.shape == (2, 2 * graph.edges)


@given(PAIRS, st.integers(0, 3))
@settings(max_examples=50, deadline=None)
def test_propagation_is_the_power_of_the_smoothing_matrix(pairs: Pairs, hops: int) -> None:
    features = np.random.default_rng(len(pairs)).normal(size=(7, 2)).astype(np.float32)
    looped = _dense(pairs) + np.eye(7)
    scale = np.diag(looped.sum(axis=1) ** -0.5)
    smooth = scale @ looped @ scale
    expected = np.hstack([np.linalg.matrix_power(smooth, hop) @ features for hop in range(hops + 1)])
    np.testing.assert_allclose(propagate(_graph(pairs), features, hops=hops), expected, atol=1e-5)


def test_an_isolated_node_keeps_its_own_features() -> None:
    graph = _graph([(0, 1), (1, 2)])
    features = np.arange(14, dtype=np.float32).reshape(7, 2)
    assert graph.isolated.tolist() == [3, 4, 5, 6]
    np.testing.assert_array_equal(propagate(graph, features, hops=2)[3], [6, 7, 6, 7, 6, 7])


def test_of_repeated_edges_the_largest_weight_counts() -> None:
    graph = Graph.of([[0, 1], [1, 0], [1, 2]], nodes=3, weights=[0.5, 2.0, 3.0])
    assert graph.adjacency.toarray().tolist() == [[0, 2, 0], [2, 0, 3], [0, 3, 0]]


def test_structural_features_tell_communities_apart() -> None:
    one = [(i, j) for i in range(10) for j in range(i)]
    pairs = [*one, *[(i + 10, j + 10) for i, j in one], (0, 10)]
    features = structural_features(_graph(pairs, 20), dim=4)
    apart = np.abs(features[:10, :3].mean(axis=0) - features[10:, :3].mean(axis=0))
    assert apart.max() > 5 * features[:10, :3].std(axis=0).max()
    np.testing.assert_allclose(features[:, 3], np.log1p(_dense(pairs, 20).sum(axis=1)), rtol=1e-6)


def test_structural_features_are_seeded_and_survive_isolated_nodes() -> None:
    graph = _graph([(0, 1), (1, 2)])
    np.testing.assert_array_equal(structural_features(graph, dim=5, seed=3), structural_features(graph, dim=5, seed=3))
    assert np.isfinite(structural_features(graph, dim=50)).all()
    assert np.isfinite(structural_features(_graph([]), dim=3)).all()


def test_other_graphs_have_other_digests() -> None:
    graphs = [_graph([]), _graph([(0, 1)]), _graph([(0, 2)]), _graph([(0, 1)], 8)]
    assert len({graph.digest for graph in graphs}) == 4
    assert _graph([(1, 0), (0, 1)]).digest == graphs[1].digest


@pytest.mark.parametrize(
    ("edges", "weights", "message"),
    [
        ([[0, 7]], None, "join nodes 0 to 6"),
        ([[-1, 0]], None, "join nodes 0 to 6"),
        ([[0, 1, 2]], None, r"whole numbers \(edges, 2\)"),
        ([[0.5, 1.0]], None, r"whole numbers \(edges, 2\)"),
        ([[0, 1]], [0.0], "one positive number for each of 1 edges"),
        ([[0, 1]], [1.0, 2.0], "one positive number for each of 1 edges"),
    ],
)
def test_edges_that_cannot_be_are_refused(edges: Any, weights: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Graph.of(edges, nodes=7, weights=weights)
