"""Which few vectors span nearly what many span."""

from __future__ import annotations

import torch
from torch import Tensor

_DEPENDENT = 1e-6


def choose_terms(gram: Tensor, mixing: Tensor, count: int) -> Tensor:
    r"""Return the positions of at most ``count`` vectors whose span comes close to some targets, in ascending order.

    Orthogonal least squares: of all vectors the next is the one that takes most off the summed squared distance of the
    targets from the span. Vectors that depend on those chosen before are passed over.

    Parameters
    ----------
    gram
        Inner products :math:`B^\top B` of the vectors, in double precision.
    mixing
        ``(vectors, targets)``: the targets are :math:`B M`.
    count
        The most vectors.

    Notes
    -----
    Cost: ``count * vectors * (count + targets)`` operations.

    Examples
    --------
    >>> choose_terms(torch.eye(3), torch.tensor([[0.0], [2.0], [1.0]]), 2).tolist()
    [1, 2]
    """
    products, left = gram @ mixing, gram.diagonal().clone()
    nothing = _DEPENDENT * left
    factor = gram.new_zeros(len(gram), count)
    chosen: list[int] = []
    for step in range(count):
        gains = torch.where(left > nothing, products.square().sum(dim=1) / left, 0.0)
        best = int(gains.argmax())
        if not gains[best] > 0:
            break
        chosen.append(best)
        scale = left[best].rsqrt()
        column = (gram[:, best] - factor[:, :step] @ factor[best, :step]) * scale
        factor[:, step] = column
        products -= torch.outer(column, products[best] * scale)
        left -= column.square()
        left[best] = 0.0
    return torch.tensor(sorted(chosen), device=gram.device)
