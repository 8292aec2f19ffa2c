"""Affinity propagation: tasks elect exemplars, and their followers are the groups."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cotrain import checks
from cotrain.errors import SolverError
from cotrain.grouping.matrices import Labels, Matrix, refuse_more_tasks
from cotrain.grouping.partition_grouper import PartitionGrouper, Split, similarity
from cotrain.seeding import derive

_PREFERENCES = 15
_ROUNDS = 500
_SOUGHT_UP_TO = 1000


@dataclass(frozen=True)
class AffinityPropagation(PartitionGrouper):
    """Message passing between tasks that finds exemplars without being told how many; by scikit-learn.

    Without ``networks``, ``preference`` decides the number of groups. With it (up to 1,000 tasks), the preference is
    halved in on until the number comes out; where no preference gives it, the nearest result is merged or split.

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

    def _splitter(self, matrix: Matrix, most: int) -> Split:  # noqa: ARG002
        refuse_more_tasks(
            len(matrix),
            _SOUGHT_UP_TO,
            "affinity propagation with `networks`: ten runs or so, each of hundreds of rounds of O(tasks^2)",
            "Leave `networks` out, or use 'spectral' or 'average-density'.",
        )
        weights = similarity(matrix)
        return lambda groups: self._sought(weights, groups)

    def _sought(self, weights: Matrix, groups: int) -> Labels:
        """Halve in on the preference, by ratio of its distance below one: higher ones give more exemplars."""
        tasks = len(weights)
        near, far = 1e-3, float(tasks)
        nearest = np.zeros(tasks, dtype=np.int64)
        for _ in range(_PREFERENCES):
            distance = float(np.sqrt(near * far))
            labels = self._run(weights, 1.0 - distance)
            found = self._exemplars(labels, distance, tasks)
            if labels is not None and abs(found - groups) < abs(len(np.unique(nearest)) - groups):
                nearest = labels
            if found == groups:
                break
            near, far = (near, distance) if found < groups else (distance, far)
        return nearest

    @staticmethod
    def _exemplars(labels: Labels | None, distance: float, tasks: int) -> int:
        """Count them; messages that settle on every task although that costs more than one exemplar found none."""
        if labels is None:
            return tasks
        found = len(np.unique(labels))
        return 0 if found == tasks and distance > 1.0 else found

    def _run(self, weights: Matrix, preference: float) -> Labels | None:
        """Return the labels, or None where the messages do not settle."""
        from sklearn.cluster import AffinityPropagation as Messages

        model = Messages(
            damping=self.damping,
            max_iter=_ROUNDS,
            preference=preference,
            affinity="precomputed",
            random_state=derive(self.seed, self.name) % 2**32,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it did not settle shows in the labels
            labels = np.asarray(model.fit(weights).labels_, dtype=np.int64)
        return None if (labels < 0).any() else labels
