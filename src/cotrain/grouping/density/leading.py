"""Leading eigenpairs of a matrix that changes little from one call to the next."""

from __future__ import annotations

import numpy as np
import scipy.linalg

from cotrain.grouping.density.relaxation import centre, without_ones
from cotrain.grouping.matrices import Matrix

_GROWTH, _SPARE = 1.5, 10  # pairs kept for each that was used last, and on top
_LARGEST_SHARE = 0.45  # of all pairs, from which on the dense solver is as fast
_DEGREE, _STEEPEST = 3, 20  # of the filter; how much further up than down it is to look, so as not to overflow
_LANCZOS_STEPS, _LOOK_EVERY, _MARGIN = 8, 5, 0.5  # lower end of the spectrum: found how, when, and left how much room


class LeadingPairs:
    """Subspace iteration, warm from call to call, on the complement of the ones.

    A Chebyshev filter damps all between the lower end of the spectrum, which a few Lanczos steps find now and then, and
    the eigenvalue above which pairs were used last; a Rayleigh-Ritz step follows. ``O(n^2)`` a pair in place of
    ``O(n^3)``. The pairs are approximate, and new ones take some calls to be found.

    Parameters
    ----------
    size
        Order of the matrices.

    Examples
    --------
    >>> matrix = np.kron(np.diag([3.0, 2.0, 1.0]), np.ones((20, 20)) / 20)
    >>> pairs = LeadingPairs(60)
    >>> for _ in range(2):
    ...     values, _ = pairs.of(matrix)
    ...     pairs.keep(2, above=0.5)
    >>> len(values), values[-2:].round(3).tolist()
    (13, [1.423, 2.577])
    """

    def __init__(self, size: int) -> None:
        self.rng, self.calls = np.random.default_rng(0), 0
        self.start = self.rng.normal(size=size)
        self.vectors, self.basis = np.zeros((size, 0)), np.zeros((size, 0))
        self.largest = self.above = self.lowest = 0.0

    def of(self, matrix: Matrix) -> tuple[Matrix, Matrix]:
        """Return eigenvalues, ascending, and eigenvectors: all where nothing is known yet, else the leading ones."""
        if not self.basis.size:
            values, self.vectors = _eigen(without_ones(centre(matrix)))
            self.lowest = float(values[1])
        else:
            if self.calls % _LOOK_EVERY == 0:
                self.lowest = _lowest(matrix, self.start)
            values, self.vectors = _ritz(matrix, self._filtered(matrix))
        self.calls += 1
        self.largest = float(values[-1])
        return values, self.vectors

    def keep(self, used: int, *, above: float) -> None:
        """Begin the next call from the ``used`` largest pairs of the last, all above a value, and some spare ones."""
        wanted, (size, found) = int(_GROWTH * used) + _SPARE, self.vectors.shape
        if wanted > _LARGEST_SHARE * size:
            wanted = 0
        fresh = self.rng.normal(size=(size, max(wanted - found, 0)))
        basis = np.hstack([fresh, self.vectors[:, found - min(wanted, found) :]]).astype(self.vectors.dtype)
        self.basis = basis - basis.mean(axis=0)
        self.above = above

    def _filtered(self, matrix: Matrix) -> Matrix:
        half = (1 + _MARGIN) / 2 * max(self.above - self.lowest, (self.largest - self.above) / _STEEPEST) or 1.0
        middle = self.above - half
        before, block = self.basis, (_times(matrix, self.basis) - middle * self.basis) / half
        for _ in range(_DEGREE - 1):
            before, block = block, (_times(matrix, block) - middle * block) * (2 / half) - before
        return block


def _times(matrix: Matrix, block: Matrix) -> Matrix:
    """Multiply on the complement of the ones."""
    product: Matrix = matrix @ block
    product -= product.mean(axis=0)
    return product


def _ritz(matrix: Matrix, block: Matrix) -> tuple[Matrix, Matrix]:
    basis, _ = scipy.linalg.qr(block / np.linalg.norm(block, axis=0), mode="economic", check_finite=False)
    values, rotation = _eigen(basis.T @ _times(matrix, basis))
    return values, basis @ rotation


def _eigen(matrix: Matrix) -> tuple[Matrix, Matrix]:
    """Decompose in the precision of the matrix, where NumPy would use double."""
    values, vectors = scipy.linalg.eigh(matrix, driver="evd", check_finite=False)
    return values, vectors


def _lowest(matrix: Matrix, start: Matrix) -> float:
    """Return about the smallest eigenvalue on the complement of the ones, from above, by some Lanczos steps."""
    band, previous, off = np.zeros((_LANCZOS_STEPS + 1, _LANCZOS_STEPS + 1)), np.zeros_like(start), 0.0
    current = (start - start.mean()).astype(matrix.dtype)
    current /= np.linalg.norm(current)
    for step in range(_LANCZOS_STEPS):
        following = _times(matrix, current) - off * previous
        band[step, step] = current @ following
        following -= band[step, step] * current
        off = float(np.linalg.norm(following))
        if off == 0.0:
            return float(np.linalg.eigvalsh(band[: step + 1, : step + 1])[0])
        band[step, step + 1] = band[step + 1, step] = off
        previous, current = current, following / off
    return float(np.linalg.eigvalsh(band[:-1, :-1])[0])
