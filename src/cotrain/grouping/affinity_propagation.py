"""Affinity propagation: tasks elect exemplars, and their followers are the groups."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cotrain import checks
from cotrain.errors import SolverError
from cotrain.grouping.matrices import Labels, Matrix
from cotrain.grouping.partition_grouper import PartitionGrouper, similarity
from cotrain.seeding import derive

_PREFERENCES = 25


@dataclass(frozen=True)
class AffinityPropagation(PartitionGrouper):
    """Message passing between tasks that finds exemplars without being told how many; by scikit-learn.

    Without ``networks``, ``preference`` decides the number of groups. With it, the preference is halved in on until the
    number comes out; where no preference gives it, the nearest result is merged or split.

    Parameters
    ----------
    preference
        Readiness of a task to be an exemplar, on the scale of affinities brought to ``[0, 1]``; None takes the median.
    damping
        Between 0.5 and 1; higher is slower and steadier.

    Notes
    -----
    The grouper of *Selective Task Group Updates for Multi-Task Optimization* (ICLR 2025). ``O(n^2)`` a round.

    Examples
    --------
    >>> from cotrain.affinity.affinity import Affinity
    >>> AffinityPropagation(networks=2).group(Affinity.from_matrix("abc", [[0, 1, 0], [1, 0, 0], [0, 0, 0]]))
    Grouping('affinity-propagation': {a, b} {c})
    """

    name: ClassVar[str] = "affinity-propagation"
    citation: ClassVar[str] = (
        "@article{frey2007clustering, title={Clustering by Passing Messages Between Data Points}, "
        "author={Frey, Brendan J. and Dueck, Delbert}, journal={Science}, volume={315}, year={2007}}"
    )

    preference: float | None = None
    damping: float = 0.8

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.within("damping", self.damping, 0.5, 0.99)

    def _chosen(self, matrix: Matrix) -> Labels:
        if self.networks is not None or len(matrix) == 1:
            return super()._chosen(matrix)
        weights = similarity(matrix)
        off = weights[~np.eye(len(weights), dtype=bool)]
        labels = self._run(weights, float(np.median(off)) if self.preference is None else self.preference)
        if labels is None:
            raise SolverError(
                "affinity propagation did not settle. Raise `damping`, change `preference` or set `networks`."
            )
        return labels

    def _labels(self, matrix: Matrix, groups: int) -> Labels:
        """Halve in on the preference: higher ones give more exemplars."""
        weights = similarity(matrix)
        low, high = -float(len(matrix)), 1.0
        nearest = np.zeros(len(matrix), dtype=np.int64)
        for _ in range(_PREFERENCES):
            middle = (low + high) / 2
            labels = self._run(weights, middle)
            found = len(matrix) if labels is None else len(np.unique(labels))
            if labels is not None and abs(found - groups) < abs(len(np.unique(nearest)) - groups):
                nearest = labels
            if found == groups:
                break
            low, high = (middle, high) if found < groups else (low, middle)
        return nearest

    def _run(self, weights: Matrix, preference: float) -> Labels | None:
        """Return the labels, or None where the messages do not settle."""
        from sklearn.cluster import AffinityPropagation as Messages

        model = Messages(
            damping=self.damping,
            max_iter=1000,
            preference=preference,
            affinity="precomputed",
            random_state=derive(self.seed, self.name) % 2**32,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it did not settle shows in the labels
            labels = np.asarray(model.fit(weights).labels_, dtype=np.int64)
        return None if (labels < 0).any() else labels
