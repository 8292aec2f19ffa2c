"""The semidefinite relaxation of average density, with a bound that is rigorous whatever the multiplier."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from cotrain.grouping.density.group_count import GroupCount
from cotrain.grouping.matrices import Matrix


@dataclass(frozen=True)
class Relaxation:
    r"""The relaxation: maximise ``<A, X>`` over positive semidefinite ``X >= 0`` with ``X 1 = 1`` and a given trace.

    A partition is the point ``X = sum_C 1_C 1_C' / |C|``: its value is the density, its trace the number of groups.

    Parameters
    ----------
    matrix
        Symmetric affinities.
    count
        How many groups, that is, which traces are allowed and what each unit of trace costs.

    Examples
    --------
    >>> matrix = np.kron(np.eye(2), np.ones((2, 2)))
    >>> Relaxation(matrix, GroupCount(2)).bound(np.zeros((4, 4)))
    4.0
    """

    matrix: Matrix
    count: GroupCount

    def bound(self, multiplier: Matrix) -> float:
        r"""Return an upper bound on every partition's value, valid for any ``multiplier`` :math:`N \ge 0`.

        :math:`\langle A, X \rangle \le \langle A + N, X \rangle \le \frac{1}{n} 1'(A + N)1` plus the sum of the
        ``groups - 1`` largest eigenvalues of :math:`A + N` orthogonal to the ones, for a partition's ``X`` has
        eigenvalues in ``[0, 1]``. No convergence is assumed. Cost: one eigenvalue problem.
        """
        total = self.matrix + np.maximum(multiplier, 0.0)
        size, count = len(total), self.count
        constant = float(total.sum()) / size - count.penalty
        if count.most == 1:
            return constant
        centred = without_ones(centre(total))
        top = (size - count.most + 1, size - 1)
        values = scipy.linalg.eigvalsh(centred, subset_by_index=top, check_finite=False) - count.penalty
        return constant + float((values if count.exact else values[values > 0]).sum())


def centre(matrix: Matrix) -> Matrix:
    """Return the matrix as it acts on the complement of the ones."""
    mean = matrix.mean(axis=0)
    centred: Matrix = matrix - mean[None, :] - mean[:, None] + mean.mean()
    return centred


def without_ones(centred: Matrix) -> Matrix:
    """Push the eigenvalue of the ones, which is not of the complement, below all others; in place."""
    centred -= centred.dtype.type((np.linalg.norm(centred) + 1.0) / len(centred))
    return centred
