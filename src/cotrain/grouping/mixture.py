"""Gaussian mixture on an embedding of the task graph: the pipeline of landscape analysis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

import numpy as np

from cotrain import checks
from cotrain.grouping.graph_attention import attention_embedding
from cotrain.grouping.matrices import Labels, Matrix
from cotrain.grouping.partition_grouper import PartitionGrouper, Split, similarity
from cotrain.grouping.spectral import leading_eigenvectors, spectral_embedding
from cotrain.seeding import derive

Embedding: TypeAlias = Literal["spectral", "attention"]
EMBEDDINGS: tuple[Embedding, ...] = ("spectral", "attention")


@dataclass(frozen=True)
class Mixture(PartitionGrouper):
    """Fit a Gaussian mixture to an embedding of the tasks and take the likeliest component of each.

    Parameters
    ----------
    embedding
        ``"spectral"``: leading eigenvectors of the normalised Laplacian; ``"attention"``: a graph attention network
        trained to reconstruct the similarities, as in the paper (over-parameterised for few tasks); it is written in
        PyTorch here and needs no other package.

    Notes
    -----
    The paper leaves the mixture and the training of the attention network open. Here covariances are spherical, since
    few tasks cannot support more, and the network is a graph auto-encoder.

    Examples
    --------
    >>> from cotrain.affinity.affinity import Affinity
    >>> Mixture(networks=2).group(Affinity.from_matrix("abc", [[0, 1, 0], [1, 0, 0], [0, 0.1, 0]]))
    Grouping('mixture': {a, b} {c})
    """

    name: ClassVar[str] = "mixture"
    citation: ClassVar[str] = (
        "@article{thakur2025efficient, title={Efficient Task Grouping Through Sample-wise Optimisation Landscape "
        "Analysis}, author={Thakur, Anshul and Huang, Yichen and Molaei, Soheila and Wang, Yujiang and Clifton, "
        "David A.}, journal={IEEE Transactions on Pattern Analysis and Machine Intelligence}, year={2025}}"
    )

    embedding: Embedding = "spectral"

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.one_of("embedding", self.embedding, EMBEDDINGS)

    def _splitter(self, matrix: Matrix, most: int) -> Split:
        if self.embedding == "attention":
            points = attention_embedding(similarity(matrix), seed=derive(self.seed, "graph attention"))
            return lambda groups: self._fitted(points, groups)
        vectors = leading_eigenvectors(matrix, most)
        return lambda groups: self._fitted(spectral_embedding(vectors, groups), groups)

    def _fitted(self, points: Matrix, groups: int) -> Labels:
        from sklearn.mixture import GaussianMixture

        model = GaussianMixture(
            groups,
            covariance_type="spherical",
            reg_covar=1e-3,
            n_init=10,
            init_params="random_from_data",
            max_iter=500,
            random_state=derive(self.seed, self.name) % 2**32,
        )
        return np.asarray(model.fit_predict(points), dtype=np.int64)
