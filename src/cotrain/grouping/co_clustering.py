"""Spectral co-clustering: tasks as targets and tasks as sources are clustered at once, so groups may overlap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from cotrain import checks
from cotrain.affinity.affinity import Affinity
from cotrain.grouping.density.rounding import kmeans
from cotrain.grouping.grouping import Grouping
from cotrain.grouping.matrices import Labels, Matrix, MatrixOptions, Unknown, overlapping, refuse_more_groups_than_tasks
from cotrain.seeding import derive

_DEFAULT_MOST = 10


@dataclass(frozen=True)
class SpectralCoClustering:
    """Cluster the rows (targets) and columns (sources) of the directed affinities together.

    A group serves its row cluster and is helped by its column cluster: sources that are not among its targets join as
    helpers. Dhillon's bipartite spectral partition; ``O(n^3)``.

    Parameters
    ----------
    networks
        Most groups; None tries up to ten and keeps the number whose tasks receive most from the others in their group.
    unknown
        Pairs never seen (NaN): ``"refuse"``, or count them as ``"zero"`` or as the target's ``"row-mean"``.
    seed
        Of k-means.

    Examples
    --------
    >>> matrix = [[0, 0, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 1, 0]]
    >>> SpectralCoClustering(networks=2).group(Affinity.from_matrix("abcd", matrix))
    Grouping('spectral-co-clustering': {a, b, c, d} {c, d})
    """

    name: ClassVar[str] = "spectral-co-clustering"
    citation: ClassVar[str] = (
        "@inproceedings{dhillon2001co, title={Co-clustering documents and words using bipartite spectral graph "
        "partitioning}, author={Dhillon, Inderjit S.}, booktitle={Proceedings of the 7th ACM SIGKDD International "
        "Conference on Knowledge Discovery and Data Mining}, year={2001}}"
    )

    networks: int | None = None
    unknown: Unknown = "refuse"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.networks is not None:
            checks.at_least("networks", self.networks, 1)
        MatrixOptions(unknown=self.unknown)

    def group(self, affinity: Affinity) -> Grouping:
        """Return overlapping groups; the objective is the sum of what tasks receive on average in their serving group.

        Raises
        ------
        InputError
            When the matrix has unknown or infinite entries, or there are fewer tasks than ``networks``.
        """
        matrix = MatrixOptions(unknown=self.unknown).directed(affinity)
        if self.networks is not None:
            refuse_more_groups_than_tasks(self.networks, len(matrix))
        counts = [self.networks] if self.networks else range(1, min(_DEFAULT_MOST, len(matrix)) + 1)
        vectors = _bipartite(matrix, max(counts))
        options = [self._members(vectors, groups) for groups in counts]
        members, serving = max(options, key=lambda option: _received(matrix, *option))
        return overlapping(
            affinity,
            members,
            serving,
            objective=_received(matrix, members, serving),
            proof="heuristic",
            method=self.name,
            citation=self.citation,
        )

    def _members(self, vectors: Matrix, groups: int) -> tuple[NDArray[np.bool_], Labels]:
        """Return ``(groups, tasks)`` membership and the serving group of each task."""
        tasks = len(vectors) // 2
        if groups == 1:
            return np.ones((1, tasks), dtype=bool), np.zeros(tasks, dtype=np.int64)
        points = vectors[:, : _dimensions(groups)]
        labels = kmeans(points, groups, starts=10, seed=derive(self.seed, self.name))
        targets, sources = labels[:tasks], labels[tasks:]
        every = np.arange(groups)[:, None]
        return (targets == every) | (sources == every), targets


def _bipartite(matrix: Matrix, groups: int) -> Matrix:
    """Return Dhillon's embedding: scaled left and right singular vectors of the normalised matrix, stacked.

    ``(2 tasks, dimensions)``: the targets, then the sources; for fewer groups, only the first dimensions count.
    """
    weights = matrix - matrix.min() + 1e-3 * (np.ptp(matrix) or 1.0)
    left, right = 1 / np.sqrt(weights.sum(axis=1)), 1 / np.sqrt(weights.sum(axis=0))
    u, _, vt = np.linalg.svd(left[:, None] * weights * right[None, :])
    kept = slice(1, 1 + _dimensions(groups))
    return np.vstack([left[:, None] * u[:, kept], right[:, None] * vt[kept].T])


def _dimensions(groups: int) -> int:
    return int(np.ceil(np.log2(groups)))


def _received(matrix: Matrix, members: NDArray[np.bool_], serving: Labels) -> float:
    served = members[serving].astype(np.float64)
    return float(((matrix * served).sum(axis=1) / served.sum(axis=1)).sum())
