"""Solving the semidefinite relaxation of average density by a two-block ADMM."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cotrain.grouping.density.leading import LeadingPairs
from cotrain.grouping.density.relaxation import Relaxation, centre
from cotrain.grouping.matrices import Matrix

_OVER_RELAXATION = 1.8
_FIRST_WEIGHT = 30.0
_BALANCE_EVERY, _IMBALANCE, _STEP = 3, 3.0, 1.5


class Iterate(NamedTuple):
    """Where the solver stands: the nonnegative iterate and the multiplier of ``X >= 0``, in units of the matrix."""

    solution: Matrix
    multiplier: Matrix


class Splitting:
    """Scaled two-block ADMM: ``X`` in the spectral set, ``Y >= 0``, dual ``U``.

    The spectral set has a closed projection: ``1 1' / n`` plus the projection of the eigenvalues orthogonal to the ones
    onto ``[0, 1]`` with the trace that remains. It needs the leading eigenpairs only, which change little from step to
    step and so are followed, in single precision: bounds are evaluated in double for whatever the iterates were, so
    neither costs rigour. ``Y`` and ``U`` are kept as one matrix, of which they are the positive and the negative part.

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
        self.scale = float(np.linalg.norm(centre(relaxation.matrix))) / np.sqrt(size) or 1.0
        self.penalty = relaxation.count.penalty / self.scale
        self.state = np.full((size, size), 1 / size, dtype=np.float32)
        self.leading = LeadingPairs(size)
        self.rho, self.steps = _FIRST_WEIGHT, 0
        self.aim(relaxation.matrix)

    @property
    def weight(self) -> float:
        """Weight of the quadratic term now, in units of the matrix: the length of a step in the multiplier."""
        return self.rho * self.scale

    def aim(self, matrix: Matrix) -> None:
        """Go on from here with another matrix."""
        target = centre(matrix) / (2 * self.scale)
        self.target: Matrix = (target + target.T).astype(self.state.dtype)

    def run(self, steps: int) -> Iterate:
        """Take some steps and return where they lead."""
        for _ in range(steps):
            self._step()
        state = np.asarray(self.state, dtype=np.float64)
        return Iterate(np.maximum(state, 0.0), np.maximum(-self.weight * state, 0.0))

    def _step(self) -> None:
        Y = np.maximum(self.state, 0.0)
        primal = self._projected() - Y
        self.state += _OVER_RELAXATION * primal
        self.steps += 1
        if self.steps % _BALANCE_EVERY == 0:
            dual = np.maximum(self.state, 0.0) - Y
            self._balance(float(np.linalg.norm(primal - dual)), float(np.linalg.norm(dual)) * self.rho)

    def _balance(self, primal: float, dual: float) -> None:
        """Keep the two residuals within a factor of each other; the scaled dual follows the step size."""
        factor = _STEP if primal > _IMBALANCE * dual else 1 / _STEP if dual > _IMBALANCE * primal else 1.0
        self.rho *= factor
        self.state[self.state < 0] /= factor

    def _projected(self) -> Matrix:
        """Return the projection of ``Y - U``, moved towards the target, onto the spectral set."""
        values, vectors = self.leading.of(self.rho * np.abs(self.state) + self.target)
        weights, threshold = self._weights(values / self.rho)
        kept = weights > 0
        self.leading.keep(int(kept.sum()), above=threshold * self.rho)
        weighted = vectors[:, kept] * np.sqrt(weights[kept])
        projected: Matrix = weighted @ weighted.T
        projected += projected.dtype.type(1 / len(projected))
        return projected

    def _weights(self, values: Matrix) -> tuple[Matrix, float]:
        threshold = _threshold(values, self.count.most - 1)
        if not self.count.exact:
            threshold = max(threshold, self.penalty / self.rho)
        return np.clip(values - threshold, 0.0, 1.0), threshold


def _threshold(values: Matrix, total: float) -> float:
    """Return the ``t`` with ``sum(clip(values - t, 0, 1)) == total`` (values ascending), or the lowest point tried."""
    values = values.astype(np.float64)
    points = np.sort(np.concatenate([values, values - 1]))[::-1]
    sums = _excess(values, points) - _excess(values, points + 1)
    return float(np.interp(total, sums, points)) if sums[-1] >= total else -np.inf


def _excess(values: Matrix, points: Matrix) -> Matrix:
    """Return, for each point, the sum over values of what exceeds it."""
    below = np.searchsorted(values, points)
    above = np.append(values[::-1].cumsum()[::-1], 0.0)[below]
    excess: Matrix = above - (len(values) - below) * points
    return excess
