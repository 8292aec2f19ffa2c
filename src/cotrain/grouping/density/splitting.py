"""Solving the semidefinite relaxation of average density by a two-block ADMM."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.linalg

from cotrain.grouping.density.relaxation import Relaxation, centre, without_ones
from cotrain.grouping.matrices import Matrix

_OVER_RELAXATION = 1.8
_PARTIAL_FROM = 200
_FIRST_WEIGHT = 30.0
_BALANCE_EVERY, _IMBALANCE, _STEP = 5, 3.0, 1.6


class Iterate(NamedTuple):
    """Where the solver stands: the nonnegative iterate and the multiplier of ``X >= 0``, in units of the matrix."""

    solution: Matrix
    multiplier: Matrix


class Splitting:
    """Scaled two-block ADMM: ``X`` in the spectral set, ``Y >= 0``, dual ``U``.

    The spectral set has a closed projection: ``1 1' / n`` plus the projection of the eigenvalues orthogonal to the ones
    onto ``[0, 1]`` with the trace that remains; one partial eigendecomposition a step, ``O(n^3)``. Larger problems are
    iterated in single precision; bounds are evaluated in double whatever the iterates were, so it costs no rigour.

    Parameters
    ----------
    relaxation
        What to maximise.

    Examples
    --------
    >>> from cotrain.grouping.density.group_count import GroupCount
    >>> relaxation = Relaxation(np.kron(np.eye(2), np.array([[1.0, -1.0], [-1.0, 1.0]])), GroupCount(2))
    >>> round(relaxation.bound(Splitting(relaxation).run(100).multiplier), 3)
    2.0
    """

    def __init__(self, relaxation: Relaxation) -> None:
        self.count, size = relaxation.count, len(relaxation.matrix)
        dtype = np.float32 if size >= _PARTIAL_FROM else np.float64
        self.scale = float(np.linalg.norm(centre(relaxation.matrix))) / np.sqrt(size) or 1.0
        self.penalty = relaxation.count.penalty / self.scale
        self.Y = np.full((size, size), 1 / size, dtype=dtype)
        self.U = np.zeros_like(self.Y)
        self.rho, self.floor, self.steps = _FIRST_WEIGHT, -np.inf, 0
        self.aim(relaxation.matrix)

    @property
    def weight(self) -> float:
        """Weight of the quadratic term now, in units of the matrix: the length of a step in the multiplier."""
        return self.rho * self.scale

    def aim(self, matrix: Matrix) -> None:
        """Go on from here with another matrix."""
        self.target: Matrix = (centre(matrix) / self.scale).astype(self.Y.dtype)

    def run(self, steps: int) -> Iterate:
        """Take some steps and return where they lead."""
        for _ in range(steps):
            self._step()
        multiplier = np.asarray(-self.weight * self.U, dtype=np.float64)
        solution = np.asarray(self.Y, dtype=np.float64)
        return Iterate((solution + solution.T) / 2, (multiplier + multiplier.T) / 2)

    def _step(self) -> None:
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
        centred = without_ones(centre(matrix))
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
        threshold = _threshold(values, self.count.most - 1)
        if not self.count.exact:
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
