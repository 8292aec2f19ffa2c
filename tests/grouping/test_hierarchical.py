"""The tree behind hierarchical groups can be drawn and cut."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.cluster.hierarchy import cut_tree, dendrogram
from tests.grouping.partitions import given, planted

from cotrain.grouping.hierarchical import Hierarchical, Linkage


@pytest.mark.parametrize("linkage", ["average", "complete", "single"])
def test_the_dendrogram_is_that_of_the_groups(linkage: Linkage) -> None:
    affinity = given(planted(9, 3, 0.1, seed=0)[0])
    shuffled = affinity.with_tasks(affinity.tasks[::-1])
    grouping = Hierarchical(networks=3, linkage=linkage).group(shuffled)
    tree, leaves = np.array(grouping.diagnostics["linkage"]), grouping.diagnostics["leaves"]
    drawn = dendrogram(tree, labels=leaves, no_plot=True)
    assert sorted(drawn["ivl"]) == sorted(affinity.tasks)
    labels = dict(zip(leaves, cut_tree(tree, n_clusters=[3]).ravel().tolist(), strict=True))
    groups = {tuple(task for task in leaves if labels[task] == label) for label in range(3)}
    assert groups == set(grouping.groups)
