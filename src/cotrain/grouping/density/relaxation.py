"""The semidefinite relaxation of average density by a two-block ADMM, with a bound that is rigorous at any iterate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.linalg

from cotrain.grouping.density.group_count import GroupCount
from cotrain.grouping.matrices import Matrix

_OVER_RELAXATION = 1.8
_PARTIAL_FROM = 200
_BALANCE_EVERY, _IMBALANCE, _STEP = 5, 3.0, 1.6


class Iterate(NamedTuple):
    """Where the solver stands: the nonnegative iterate and the multiplier of ``X >= 0``, in units of the matrix."""

    solution: Matrix
    multiplier: Matrix


@dataclass(frozen=True)
class Relaxation:
    r"""The relaxation: maximise ``<A, X>`` over positive semidefinite ``X >= 0`` with ``X 1 = 1`` and a given trace.

    A partition is the point ``X = sum_C 1_C 1_C' / |C|``: its value is the density, its trace the number of groups.

    The set without ``X >= 0`` has a closed projection: ``1 1' / n`` plus the projection of the eigenvalues orthogonal
    to the ones onto ``[0, 1]`` with the trace that remains. One partial eigendecomposition a step, ``O(n^3)``.

    Parameters
    ----------
    matrix
        Symmetric affinities.
    count
        How many groups, that is, which traces are allowed and what each unit of trace costs.

    Examples
    --------
    >>> matrix = np.kron(np.eye(2), np.ones((2, 2)))
    >>> relaxation = Relaxation(matrix, GroupCount(2))
    >>> iterate = next(relaxation.iterates(every=50))
    >>> round(relaxation.bound(iterate.multiplier), 3)
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
        centred = _without_ones(_centred(total))
        top = (size - count.most + 1, size - 1)
        values = scipy.linalg.eigvalsh(centred, subset_by_index=top, check_finite=False) - count.penalty
        return constant + float((values if count.exact else values[values > 0]).sum())

    def iterates(self, *, every: int) -> Iterator[Iterate]:
        """Yield the state after each ``every`` steps, for ever; larger problems are iterated in single precision.

        The bound is evaluated in double precision whatever the iterates were, so precision costs no rigour.
        """
        solver = _ADMM(self)
        while True:
            for _ in range(every):
                solver.step()
            yield solver.iterate()


class _ADMM:
    """Scaled two-block ADMM: ``X`` in the spectral set, ``Y >= 0``, dual ``U``."""

    def __init__(self, relaxation: Relaxation) -> None:
        self.relaxation, size = relaxation, len(relaxation.matrix)
        dtype = np.float32 if size >= _PARTIAL_FROM else np.float64
        centred = _centred(relaxation.matrix)
        self.scale = float(np.linalg.norm(centred)) / np.sqrt(size) or 1.0
        self.target: Matrix = (centred / self.scale).astype(dtype)
        self.penalty = relaxation.count.penalty / self.scale
        self.Y = np.full((size, size), 1 / size, dtype=dtype)
        self.U = np.zeros_like(self.Y)
        self.rho, self.floor, self.steps = 30.0, -np.inf, 0

    def iterate(self) -> Iterate:
        multiplier = np.asarray(-self.rho * self.scale * self.U, dtype=np.float64)
        return Iterate(np.asarray(self.Y, dtype=np.float64), (multiplier + multiplier.T) / 2)

    def step(self) -> None:
        X = self._projected(self.Y - self.U + self.target / self.rho)
        relaxed = _OVER_RELAXATION * X + (1 - _OVER_RELAXATION) * self.Y
        shifted = relaxed + self.U
        previous, self.Y = self.Y, np.maximum(shifted, 0.0)
        self.U = np.minimum(shifted, 0.0)
        self.steps += 1
        if self.steps % _BALANCE_EVERY == 0:
            self._balance(float(np.linalg.norm(X - self.Y)), float(np.linalg.norm(self.Y - previous)) * self.rho)

    def _balance(self, primal: float, dual: float) -> None:
        """Keep the two residuals within a factor of each other; the scaled dual follows the step size."""
        factor = _STEP if primal > _IMBALANCE * dual else 1 / _STEP if dual > _IMBALANCE * primal else 1.0
        self.rho *= factor
        self.U /= factor

    def _projected(self, matrix: Matrix) -> Matrix:
        """Project onto the spectral set; only eigenvalues above the last threshold are asked for at first."""
        centred = _without_ones(_centred(matrix))
        values, vectors = _eigen(centred, self.floor)
        weights, threshold = self._weights(values)
        if threshold < self.floor:
            values, vectors = _eigen(centred, -np.inf)
            weights, threshold = self._weights(values)
        self.floor = threshold - 0.1 * max(abs(threshold), 0.1)
        kept = weights > 0
        weighted = vectors[:, kept] * np.sqrt(weights[kept])
        projected: Matrix = weighted @ weighted.T
        projected += projected.dtype.type(1 / len(matrix))
        return projected

    def _weights(self, values: Matrix) -> tuple[Matrix, float]:
        count = self.relaxation.count
        threshold = _threshold(values, count.most - 1)
        if not count.exact:
            threshold = max(threshold, self.penalty / self.rho)
        return np.clip(values - threshold, 0.0, 1.0), threshold


def _threshold(values: Matrix, total: float) -> float:
    """Return the ``t`` with ``sum(clip(values - t, 0, 1)) == total``, or the lowest point looked at."""
    points = np.sort(np.concatenate([values, values - 1]))[::-1]
    sums = np.clip(values[None, :] - points[:, None], 0.0, 1.0).sum(axis=1)
    return float(np.interp(total, sums, points)) if sums[-1] >= total else -np.inf


def _eigen(matrix: Matrix, floor: float) -> tuple[Matrix, Matrix]:
    if len(matrix) < _PARTIAL_FROM or floor == -np.inf:
        values, vectors = np.linalg.eigh(matrix)
        return values, vectors
    values, vectors = scipy.linalg.eigh(
        matrix, subset_by_value=(floor, np.inf), driver="evr", check_finite=False, overwrite_a=True
    )
    return values, vectors


def _centred(matrix: Matrix) -> Matrix:
    mean = matrix.mean(axis=0)
    centred: Matrix = matrix - mean[None, :] - mean[:, None] + mean.mean()
    return centred


def _without_ones(centred: Matrix) -> Matrix:
    """Push the eigenvalue of the ones, which is not of the complement, below all others."""
    centred -= centred.dtype.type((np.linalg.norm(centred) + 1.0) / len(centred))
    return centred
