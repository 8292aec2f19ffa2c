"""Rules of layers that look at one position at a time: linear layers and embeddings."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from cotrain.gradients.factors import Entries, Factor, Tokens, Values
from cotrain.gradients.layers.rule import LayerCall, Named, accurate, register
from cotrain.gradients.row_gradient import Factored, Summed

_FEW = 1 / 8


@register(nn.Linear)
class LinearCall(LayerCall):
    """``y = x W' + b`` at every position: the weight receives the sum of ``dy x'``."""

    def __init__(self, layer: nn.Linear, inputs: Tensor, *, remember: bool) -> None:
        del layer
        self._inputs = Values(_positions(accurate(inputs)), remember=remember)

    def gradients(self, outputs: Tensor) -> Named:
        """Yield the gradients of weight and bias."""
        above = _above(_positions(accurate(outputs)))
        yield "weight", Factored(above, self._inputs)
        yield "bias", Summed(above)


def _above(values: Tensor) -> Factor:
    """Return the gradients of outputs; with many tasks most outputs of a head receive none from the task at hand."""
    size = values.shape[2]
    if int(values[0].count_nonzero()) <= _FEW * values[0].numel():
        where = values.abs().sum(dim=(0, 1)).nonzero()[:, 0]
        if len(where) <= _FEW * size:
            return Entries(values[:, :, where], where, size, remember=True)
    return Values(values, remember=True)


def _rows_stay_apart(layer: nn.Embedding) -> bool:
    return layer.max_norm is None and not layer.scale_grad_by_freq


@register(nn.Embedding, when=_rows_stay_apart)
class EmbeddingCall(LayerCall):
    """Rows of a table: the row of a token receives what arrives at its positions; padding receives nothing."""

    parameters: ClassVar[tuple[str, ...]] = ("weight",)

    def __init__(self, layer: nn.Embedding, inputs: Tensor, *, remember: bool) -> None:
        del remember
        codes = inputs.reshape(len(inputs), -1)
        if layer.padding_idx is not None:
            codes = codes.masked_fill(codes == layer.padding_idx, -1)
        self._codes = Tokens(codes, layer.num_embeddings)

    def gradients(self, outputs: Tensor) -> Named:
        """Yield the gradient of the table."""
        yield "weight", Factored(self._codes, Values(_positions(accurate(outputs))))


def _positions(values: Tensor) -> Tensor:
    """Return ``(rows, positions, size)`` of ``(rows, ..., size)``."""
    return values.reshape(len(values), -1, values.shape[-1])
