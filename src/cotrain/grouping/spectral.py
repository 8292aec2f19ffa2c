"""Spectral clustering of tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import scipy.linalg

from cotrain.grouping.density.rounding import kmeans
from cotrain.grouping.matrices import Labels, Matrix
from cotrain.grouping.partition_grouper import PartitionGrouper, Split, similarity
from cotrain.seeding import derive


@dataclass(frozen=True)
class Spectral(PartitionGrouper):
    """k-means on the leading eigenvectors of the normalised Laplacian of the affinities, scaled to ``[0, 1]``.

    The grouper of *Boosting Multitask Learning on Graphs through Higher-Order Task Affinities* (KDD 2023); by
    scikit-learn. ``O(n^3)``.

    Examples
    --------
    >>> from cotrain.affinity.affinity import Affinity
    >>> Spectral(networks=2).group(Affinity.from_matrix("abc", [[0, 1, 0], [1, 0, 0], [0, 0.1, 0]]))
    Grouping('spectral': {a, b} {c})
    """

    name: ClassVar[str] = "spectral"
    citation: ClassVar[str] = (
        "@inproceedings{li2023boosting, title={Boosting Multitask Learning on Graphs through Higher-Order Task "
        "Affinities}, author={Li, Dongyue and Ju, Haotian and Sharma, Aneesh and Zhang, Hongyang R.}, "
        "booktitle={Proceedings of the 29th ACM SIGKDD Conference on Knowledge Discovery and Data Mining}, "
        "year={2023}}"
    )

    def _splitter(self, matrix: Matrix, most: int) -> Split:
        vectors, seed = leading_eigenvectors(matrix, most), derive(self.seed, self.name)

        def split(groups: int) -> Labels:
            return kmeans(spectral_embedding(vectors, groups), groups, starts=10, seed=seed)

        return split


def leading_eigenvectors(matrix: Matrix, most: int) -> Matrix:
    """Return the ``most`` leading eigenvectors of ``D^-1/2 W D^-1/2``, the last one first in rank."""
    weights = similarity(matrix)
    root = np.sqrt(weights.sum(axis=1))
    top = (len(matrix) - most, len(matrix) - 1)
    _, vectors = scipy.linalg.eigh(weights / root[:, None] / root[None, :], subset_by_index=top, check_finite=False)
    return np.asarray(vectors, dtype=np.float64)


def spectral_embedding(vectors: Matrix, dimensions: int) -> Matrix:
    """Return the rows of the last ``dimensions`` vectors, scaled to length one."""
    leading = vectors[:, -dimensions:]
    embedding: Matrix = leading / np.maximum(np.linalg.norm(leading, axis=1, keepdims=True), 1e-12)
    return embedding
