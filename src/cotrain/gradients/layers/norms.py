"""Rules of normalisations: scale and shift receive sums over positions."""

from __future__ import annotations

from typing import TypeAlias

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from cotrain.gradients.layers.rule import LayerCall, Named, accurate, register
from cotrain.gradients.row_gradient import Materialised

_BatchNorm: TypeAlias = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d


class _NormCall(LayerCall):
    """``y = weight * z + bias``: the weight receives the sum of ``dy z``, the bias that of ``dy``."""

    _normalised: Tensor
    _summed: tuple[int, ...]

    def gradients(self, outputs: Tensor) -> Named:
        """Yield the gradients of scale and shift."""
        above = accurate(outputs)
        yield "weight", Materialised(self._sum(above * self._normalised))
        yield "bias", Materialised(self._sum(above))

    def _sum(self, values: Tensor) -> Tensor:
        return values.sum(dim=self._summed) if self._summed else values


@register(nn.LayerNorm)
class LayerNormCall(_NormCall):
    """Normalises the last dimensions."""

    def __init__(self, layer: nn.LayerNorm, inputs: Tensor, *, remember: bool) -> None:
        del remember
        self._normalised = F.layer_norm(accurate(inputs), layer.normalized_shape, eps=layer.eps)
        self._summed = tuple(range(1, inputs.dim() - len(layer.normalized_shape)))


@register(nn.RMSNorm)
class RMSNormCall(_NormCall):
    """Scales the last dimensions to unit mean square."""

    def __init__(self, layer: nn.RMSNorm, inputs: Tensor, *, remember: bool) -> None:
        del remember
        self._normalised = F.rms_norm(accurate(inputs), layer.normalized_shape, eps=layer.eps)
        self._summed = tuple(range(1, inputs.dim() - len(layer.normalized_shape)))


@register(nn.GroupNorm)
class GroupNormCall(_NormCall):
    """Normalises groups of channels."""

    def __init__(self, layer: nn.GroupNorm, inputs: Tensor, *, remember: bool) -> None:
        del remember
        self._normalised = F.group_norm(accurate(inputs), layer.num_groups, eps=layer.eps)
        self._summed = tuple(range(2, inputs.dim()))


def _uses_running_statistics(layer: _BatchNorm) -> bool:
    return not layer.training and layer.running_mean is not None


@register(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, when=_uses_running_statistics)
class BatchNormCall(_NormCall):
    """Normalises channels by running statistics: in eval mode rows stay apart."""

    def __init__(self, layer: _BatchNorm, inputs: Tensor, *, remember: bool) -> None:
        del remember
        if layer.running_mean is None or layer.running_var is None:
            raise ValueError("a BatchNorm layer without running statistics has no rule")
        channels = (-1, *[1] * (inputs.dim() - 2))
        mean = accurate(layer.running_mean).view(channels)
        scale = (accurate(layer.running_var) + layer.eps).rsqrt().view(channels)
        self._normalised = (accurate(inputs) - mean) * scale
        self._summed = tuple(range(2, inputs.dim()))
