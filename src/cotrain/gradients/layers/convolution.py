"""Rules of convolutions in one, two and three dimensions."""

from __future__ import annotations

from typing import TypeAlias

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from cotrain.gradients.factors import Channels, Patches
from cotrain.gradients.layers.rule import LayerCall, Named, accurate, register
from cotrain.gradients.row_gradient import Factored, Materialised, Summed

_Convolution: TypeAlias = nn.Conv1d | nn.Conv2d | nn.Conv3d


@register(nn.Conv1d, nn.Conv2d, nn.Conv3d)
class ConvolutionCall(LayerCall):
    """A linear layer at every window. With groups the weight is small, and its gradient is formed."""

    def __init__(self, layer: _Convolution, inputs: Tensor, *, remember: bool) -> None:
        self._groups = layer.groups
        self._windows = Patches(
            _padded(layer, accurate(inputs)), layer.kernel_size, layer.stride, layer.dilation, remember=remember
        )

    def gradients(self, outputs: Tensor) -> Named:
        """Yield the gradients of weight and bias."""
        above = Channels(accurate(outputs).flatten(2), remember=True)
        if self._groups == 1:
            yield "weight", Factored(above, self._windows)
        else:
            yield "weight", Materialised(self._by_group(above))
        yield "bias", Summed(above)

    def _by_group(self, above: Channels) -> Tensor:
        rows, positions, groups = above.rows, above.positions, self._groups
        left = above.dense().reshape(rows, positions, groups, -1)
        right = self._windows.dense().reshape(rows, positions, groups, -1)
        return torch.einsum("npgo,npgi->ngoi", left, right).flatten(1, 2)


def _padded(layer: _Convolution, inputs: Tensor) -> Tensor:
    """Return the input with the padding that the convolution would add."""
    pads: list[int] = []
    for axis in reversed(range(len(layer.kernel_size))):
        if layer.padding == "valid":
            pads += [0, 0]
        elif layer.padding == "same":
            total = layer.dilation[axis] * (layer.kernel_size[axis] - 1)
            pads += [total // 2, total - total // 2]
        else:
            pads += [int(layer.padding[axis])] * 2
    if not any(pads):
        return inputs
    return F.pad(inputs, pads, mode="constant" if layer.padding_mode == "zeros" else layer.padding_mode)
