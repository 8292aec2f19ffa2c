"""From the relaxation's matrix to partitions with the wanted number of groups."""

from __future__ import annotations

import warnings

import numpy as np
import scipy.linalg

from cotrain.grouping.density.agglomeration import agglomerate, cut
from cotrain.grouping.matrices import Labels, Matrix


def spectral_rounding(solution: Matrix, groups: int, *, seed: int) -> Labels:
    """Return k-means labels of the leading ``groups`` eigenvectors, scaled by the roots of their eigenvalues."""
    size = len(solution)
    values, vectors = scipy.linalg.eigh(solution, subset_by_index=(size - groups, size - 1), check_finite=False)
    return kmeans(vectors * np.sqrt(np.maximum(values, 0.0)), groups, starts=4, seed=seed)


def kmeans(points: Matrix, groups: int, *, starts: int, seed: int) -> Labels:
    """Return the best k-means labels of several starts; fewer groups come out where points coincide."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    model = KMeans(groups, n_init=starts, random_state=seed % 2**32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # coinciding points: callers fill the groups up
        labels: Labels = model.fit_predict(points).astype(np.int64)
    return labels


def threshold_rounding(solution: Matrix) -> Labels:
    """Return the published rule: each task not yet taken opens a group with all later ones whose entry exceeds 1/n.

    The number of groups is whatever comes out and depends on the order of the tasks.
    """
    size = len(solution)
    labels = np.full(size, -1)
    for task in range(size):
        if labels[task] < 0:
            free = (labels < 0) & (solution[task] > 1 / size)
            free[task] = True
            free[:task] = False
            labels[free] = labels.max() + 1
    return labels


def with_groups(matrix: Matrix, labels: Labels, groups: int) -> Labels:
    """Return the labels brought to exactly ``groups`` groups: best merges, or worst-placed tasks split off."""
    labels = np.unique(labels, return_inverse=True)[1].astype(np.int64)
    found = int(labels.max()) + 1
    if found > groups:
        member = np.eye(found)[labels]
        merges, _ = agglomerate(member.T @ matrix @ member, sizes=member.sum(axis=0))
        return cut(merges, groups)[labels]
    for fresh in range(found, groups):
        labels[_worst_placed(matrix, labels)] = fresh
    return labels


def _worst_placed(matrix: Matrix, labels: Labels) -> int:
    """Return the task in a group of several that receives least from it."""
    together = labels[:, None] == labels[None, :]
    sizes = together.sum(axis=1)
    received = np.where(together, matrix, 0.0).sum(axis=1) / sizes
    return int(np.where(sizes > 1, received, np.inf).argmin())
