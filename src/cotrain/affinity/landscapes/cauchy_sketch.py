"""A sketch that keeps L1 distances: independent Cauchy entries, drawn again from their seed whenever needed."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from cotrain.gradients.bases.dense import DenseRandom
from cotrain.seeding import generator

_BLOCK = 4096


class CauchySketch(DenseRandom):
    r"""Independent standard Cauchy entries :math:`C_{ej}`, the 1-stable law.

    Every coordinate of :math:`C^\top g` is a Cauchy number of scale :math:`\|g\|_1`, so that :func:`l1_norms` reads L1
    norms off a few coordinates however many entries ``g`` has. Gaussian or sign projections keep L2 norms only.

    Parameters
    ----------
    shapes, dimension, seed
        As in :class:`~cotrain.gradients.bases.dense.DenseRandom`.

    Examples
    --------
    >>> sketch = CauchySketch({"weight": (2, 3)}, dimension=500)
    >>> norm = l1_norms(sketch.apply({"weight": torch.ones(1, 2, 3)})).item()
    >>> 5 < norm < 7
    True
    """

    kind = "cauchy"

    def _blocks(self, name: str, entries: int) -> Iterator[tuple[slice, Tensor]]:
        for number, start in enumerate(range(0, entries, _BLOCK)):
            stop = min(start + _BLOCK, entries)
            values = torch.empty(stop - start, self._dimension, dtype=torch.float64)
            yield slice(start, stop), values.cauchy_(generator=generator(self._seed, name, number))


def l1_norms(sketches: Tensor) -> Tensor:
    r"""Return the L1 norm behind every sketch ``(..., d)``: geometric means of the sizes of their coordinates.

    .. math:: \hat{\|g\|_1} = \cos^d\left(\frac{\pi}{2d}\right) \prod_{j=1}^d |s_j|^{1/d}

    Without bias for any ``d > 1``, with a standard error of ``1.6 / sqrt(d)`` of the norm, the same as the median's,
    which is biased. P. Li, "Estimators and Tail Bounds for Dimension Reduction in l_alpha Using Stable Random
    Projections", SODA 2008.

    Examples
    --------
    >>> l1_norms(torch.zeros(2, 8))
    tensor([0., 0.])
    """
    dimension = sketches.shape[-1]
    return math.cos(math.pi / (2 * dimension)) ** dimension * sketches.abs().log().mean(dim=-1).exp()
