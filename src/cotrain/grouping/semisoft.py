"""Semisoft memberships: pure tasks belong to one group, mixed tasks to several."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from cotrain import checks
from cotrain.affinity.affinity import Affinity
from cotrain.grouping.density.rounding import kmeans, with_groups
from cotrain.grouping.grouping import Grouping
from cotrain.grouping.matrices import Labels, Matrix, MatrixOptions, Unknown, overlapping, refuse_more_groups_than_tasks
from cotrain.grouping.partition_grouper import similarity
from cotrain.seeding import derive


@dataclass(frozen=True)
class Semisoft:
    r"""Estimate how much each task belongs to each group; tasks that belong to several are helpers in the others.

    With memberships :math:`\Theta` (rows sum to one) similarities look like :math:`\Theta Z \Theta'`, so the leading
    eigenvectors are :math:`V = \Theta B` with the rows of :math:`B` at the pure tasks. The tasks are clustered; pure
    are those of each cluster most similar to their nearest neighbours, :math:`B` is their mean by cluster and
    :math:`\Theta = V B^{-1}`, made non-negative. ``O(n^3)``.

    Parameters
    ----------
    networks
        Number of groups.
    pure_share
        Share of the tasks taken as pure.
    least_membership
        Share at which a task joins a group that does not serve it.
    unknown
        Pairs never seen (NaN): ``"refuse"``, or count them as ``"zero"`` or as the target's ``"row-mean"``.
    seed
        Of k-means.

    Notes
    -----
    ``diagnostics["memberships"]`` holds the shares by task, ``diagnostics["pure"]`` the pure tasks. The objective is
    the mean share that tasks have in the group serving them.

    Examples
    --------
    >>> matrix = np.kron(np.eye(2), np.ones((3, 3)))
    >>> Semisoft(networks=2).group(Affinity.from_matrix("abcdef", matrix))
    Grouping('semisoft': {a, b, c} {d, e, f})
    """

    name: ClassVar[str] = "semisoft"
    citation: ClassVar[str] = (
        "@article{zhu2019semisoft, title={Semisoft clustering of single-cell data}, author={Zhu, Lingxue and Lei, Jing "
        "and Klei, Lambertus and Devlin, Bernie and Roeder, Kathryn}, journal={Proceedings of the National Academy of "
        "Sciences}, volume={116}, year={2019}}"
    )

    networks: int | None = None
    pure_share: float = 0.5
    least_membership: float = 0.25
    unknown: Unknown = "refuse"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.networks is not None:
            checks.at_least("networks", self.networks, 1)
        checks.within("pure_share", self.pure_share, 0.05, 1)
        checks.within("least_membership", self.least_membership, 0.01, 1)
        MatrixOptions(unknown=self.unknown)

    def group(self, affinity: Affinity) -> Grouping:
        """Return overlapping groups and the memberships behind them; two groups where ``networks`` is None.

        Raises
        ------
        InputError
            When the matrix has unknown or infinite entries, or there are fewer tasks than ``networks``.
        """
        matrix = MatrixOptions(unknown=self.unknown).symmetric(affinity)
        groups = min(2, len(matrix)) if self.networks is None else self.networks
        refuse_more_groups_than_tasks(groups, len(matrix))
        shares, pure = self._shares(matrix, groups)
        return self._grouping(affinity, shares, pure)

    def _shares(self, matrix: Matrix, groups: int) -> tuple[Matrix, NDArray[np.int64]]:
        """Return memberships ``(tasks, groups)`` and the pure tasks."""
        tasks = len(matrix)
        if groups in (1, tasks):
            return np.eye(tasks)[:, :groups] if groups == tasks else np.ones((tasks, 1)), np.arange(tasks)
        weights = similarity(matrix)
        vectors = np.linalg.eigh(weights)[1][:, -groups:]
        labels = kmeans(vectors, groups, starts=10, seed=derive(self.seed, self.name))
        labels = with_groups(matrix, labels, groups)
        pure = self._pure(weights, labels)
        centres = np.stack([vectors[pure][labels[pure] == group].mean(axis=0) for group in range(groups)])
        shares = np.maximum(vectors @ np.linalg.pinv(centres), 0.0)
        shares[pure] = np.eye(groups)[labels[pure]]
        total = shares.sum(axis=1, keepdims=True)
        return np.where(total > 0, shares / np.where(total > 0, total, 1.0), 1.0 / groups), pure

    def _pure(self, weights: Matrix, labels: Labels) -> NDArray[np.int64]:
        """Return the tasks of each cluster that are most similar to their nearest neighbours, at least one each."""
        tasks, groups = len(weights), int(labels.max()) + 1
        near = max(1, tasks // (2 * groups))
        nearest = np.sort(weights - 2 * np.eye(tasks), axis=1)[:, -near:].mean(axis=1)
        pure = []
        for group in range(groups):
            inside = np.flatnonzero(labels == group)
            count = max(1, round(self.pure_share * len(inside)))
            pure.append(inside[np.argsort(-nearest[inside], kind="stable")[:count]])
        return np.sort(np.concatenate(pure))

    def _grouping(self, affinity: Affinity, shares: Matrix, pure: NDArray[np.int64]) -> Grouping:
        serving = shares.argmax(axis=1)
        members = self.least_membership <= shares.T
        members[serving, np.arange(len(shares))] = True
        names = sorted(affinity.tasks)
        return overlapping(
            affinity,
            members,
            serving,
            objective=float(shares.max(axis=1).mean()),
            proof="heuristic",
            method=self.name,
            citation=self.citation,
            diagnostics={
                "memberships": dict(zip(names, shares.tolist(), strict=True)),
                "pure": [names[task] for task in pure],
            },
        )
