"""Hierarchical clustering of tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias, get_args

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from cotrain import checks
from cotrain.grouping.matrices import Labels, Matrix
from cotrain.grouping.partition_grouper import PartitionGrouper, Split, similarity

Linkage: TypeAlias = Literal["average", "complete", "single"]


@dataclass(frozen=True)
class Hierarchical(PartitionGrouper):
    """Merge the two most similar groups again and again, and cut the tree; by SciPy.

    ``diagnostics["linkage"]`` is SciPy's linkage matrix (draw it with ``scipy.cluster.hierarchy.dendrogram``) and
    ``diagnostics["leaves"]`` the tasks it numbers. ``O(n^2)``.

    Parameters
    ----------
    linkage
        Distance between groups: ``"average"``, ``"complete"`` or ``"single"`` over their pairs of tasks.

    Examples
    --------
    >>> from cotrain.affinity.affinity import Affinity
    >>> Hierarchical(networks=2).group(Affinity.from_matrix("abc", [[0, 1, 0], [1, 0, 0], [0, 0, 0]]))
    Grouping('hierarchical': {a, b} {c})
    """

    name: ClassVar[str] = "hierarchical"
    citation: ClassVar[str] = (
        "@article{sokal1958statistical, title={A statistical method for evaluating systematic relationships}, "
        "author={Sokal, Robert R. and Michener, Charles D.}, journal={University of Kansas Science Bulletin}, "
        "volume={38}, year={1958}}"
    )

    linkage: Linkage = "average"

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.one_of("linkage", self.linkage, get_args(Linkage))

    def _splitter(self, matrix: Matrix, most: int) -> Split:  # noqa: ARG002
        tree = self._tree(matrix)

        def split(groups: int) -> Labels:
            return np.asarray(fcluster(tree, groups, criterion="maxclust"), dtype=np.int64)

        return split

    def _diagnostics(self, matrix: Matrix, tasks: list[str]) -> Mapping[str, Any]:
        tree = self._tree(matrix).tolist() if len(matrix) > 1 else []
        return {"linkage": tree, "leaves": tasks}

    def _tree(self, matrix: Matrix) -> Matrix:
        return np.asarray(linkage(squareform(1.0 - similarity(matrix), checks=False), self.linkage))
