"""The order of tasks in a heat map: similar tasks side by side, groups in one piece."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from cotrain.affinity.affinity import Affinity
from cotrain.grouping.grouping import Grouping


def clustered_order(affinity: Affinity, grouping: Grouping | None = None) -> NDArray[np.int64]:
    """Return positions of the tasks so that tasks that help each other are neighbours.

    Average linkage of the symmetrised affinity with optimal leaf order. With a grouping, tasks that share their
    serving group stay together. The order follows the names and values alone, not the order of ``affinity.tasks``.

    Examples
    --------
    >>> matrix = [[0, -0.1, 0.2], [-0.1, 0, -0.1], [0.3, -0.1, 0]]
    >>> clustered_order(Affinity.from_matrix(["a", "b", "c"], matrix)).tolist()
    [1, 2, 0]
    """
    by_name = np.argsort(np.array(affinity.tasks, dtype=object))
    leaves = by_name[_leaves(affinity.matrix[np.ix_(by_name, by_name)])]
    if grouping is None:
        return leaves
    groups = [grouping.serving.get(affinity.tasks[position], len(grouping.groups)) for position in leaves]
    first = {group: groups.index(group) for group in groups}
    return leaves[sorted(range(len(leaves)), key=lambda at: (first[groups[at]], at))]


def _leaves(matrix: NDArray[np.float64]) -> NDArray[np.int64]:
    tasks = len(matrix)
    if tasks < 3:
        return np.arange(tasks)
    off_diagonal = ~np.eye(tasks, dtype=bool)
    known = np.isfinite(matrix) & off_diagonal
    typical = matrix[known].mean() if known.any() else 0.0
    filled = np.where(known, matrix, typical)
    similarity = (filled + filled.T) / 2
    distance = np.where(off_diagonal, similarity[off_diagonal].max() - similarity, 0.0)
    leaves: NDArray[np.int64] = leaves_list(
        linkage(squareform(distance, checks=False), method="average", optimal_ordering=True)
    ).astype(np.int64)
    return leaves
