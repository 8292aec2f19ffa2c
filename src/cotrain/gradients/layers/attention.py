"""Multi-head attention taken apart: its projections become layers of their own, which rules can cover."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from cotrain.gradients.layers.pointwise import LinearCall
from cotrain.gradients.layers.rule import Named, register
from cotrain.gradients.row_gradient import RowSlice


class Projection(nn.Module):
    """A linear map made of some rows of a weight and a bias that belong to another module."""

    def __init__(self, weight: Tensor, bias: Tensor | None, rows: slice) -> None:
        super().__init__()
        self.weight, self.bias, self.rows = weight, bias, rows

    def forward(self, inputs: Tensor) -> Tensor:
        """Map ``(..., i)`` to ``(..., rows)``."""
        return F.linear(inputs, self.weight[self.rows], None if self.bias is None else self.bias[self.rows])


@register(Projection)
class ProjectionCall(LinearCall):
    """A linear layer whose gradient fills some rows only."""

    def __init__(self, layer: Projection, inputs: Tensor, *, remember: bool) -> None:
        super().__init__(layer, inputs, remember=remember)  # type: ignore[arg-type]
        self._rows, self._total = layer.rows, len(layer.weight)

    def gradients(self, outputs: Tensor) -> Named:
        """Yield the gradients of weight and bias."""
        for name, gradient in super().gradients(outputs):
            yield name, RowSlice(gradient, self._rows, self._total)


class ExplicitAttention(nn.Module):
    """Computes what a ``MultiheadAttention`` computes, projection by projection.

    Parameters
    ----------
    whole
        The module whose parameters are used; see :meth:`can_replace`.
    """

    def __init__(self, whole: nn.MultiheadAttention) -> None:
        super().__init__()
        self._whole = [whole]
        size, bias = whole.embed_dim, whole.in_proj_bias
        self.projections = nn.ModuleList()
        if whole.in_proj_weight is not None:
            for start, stop in ((0, 3), (0, 1), (1, 2), (2, 3)):
                self.projections.append(Projection(whole.in_proj_weight, bias, slice(start * size, stop * size)))

    @staticmethod
    def can_replace(module: nn.Module) -> bool:
        """Whether ``module`` is plain attention: one packed projection, no extra keys, no forward of its own."""
        return (
            isinstance(module, nn.MultiheadAttention)
            and type(module).forward is nn.MultiheadAttention.forward
            and module.in_proj_weight is not None
            and module.bias_k is None
            and not module.add_zero_attn
        )

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Return outputs and, where asked for, weights."""
        del is_causal  # a hint: the mask says it too
        whole = self._whole[0]
        rows_first = whole.batch_first
        projected = self._project(query, key, value)
        q, k, v = (self._heads(part if rows_first else part.transpose(0, 1)) for part in projected)
        mask = _merged(attn_mask, key_padding_mask, q, k)
        weights = _weights(q, k, mask) if need_weights else None
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask) if weights is None else weights @ v
        joined = mixed.transpose(1, 2).flatten(2)
        output = whole.out_proj(joined if rows_first else joined.transpose(0, 1))
        return output, weights.mean(dim=1) if weights is not None and average_attn_weights else weights

    def _project(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, ...]:
        packed, *single = self.projections
        if query is key and key is value:
            return tuple(packed(query).chunk(3, dim=-1))
        return tuple(projection(part) for projection, part in zip(single, (query, key, value), strict=True))

    def _heads(self, values: Tensor) -> Tensor:
        return values.reshape(*values.shape[:2], self._whole[0].num_heads, -1).transpose(1, 2)


def _merged(attention: Tensor | None, padding: Tensor | None, query: Tensor, key: Tensor) -> Tensor | None:
    """Return both masks as one to be added to scores ``(rows, heads, queries, keys)``."""
    if attention is None and padding is None:
        return None
    mask = query.new_zeros(len(query), query.shape[1], query.shape[2], key.shape[2])
    if attention is not None:
        added = _added(attention, query)
        mask = mask + (added if added.dim() == 2 else added.reshape(mask.shape))
    return mask if padding is None else mask + _added(padding, query)[:, None, None, :]


def _added(mask: Tensor, like: Tensor) -> Tensor:
    if mask.dtype == torch.bool:
        return torch.zeros_like(mask, dtype=like.dtype).masked_fill(mask, float("-inf"))
    return mask.to(like.dtype)


def _weights(query: Tensor, key: Tensor, mask: Tensor | None) -> Tensor:
    scores = query @ key.transpose(2, 3) * query.shape[3] ** -0.5
    return torch.softmax(scores if mask is None else scores + mask, dim=3)
