"""What a layer rule is, and how the rule of a layer is found."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, NamedTuple, TypeAlias, TypeVar

import torch
from torch import Tensor, nn

from cotrain.gradients.row_gradient import RowGradient

Named: TypeAlias = Iterator[tuple[str, RowGradient]]
"""A layer's own names of its parameters, with the gradients of these."""


class LayerCall(ABC):
    """One call of a layer: knows the input until the gradient of the output arrives, once for every task.

    Parameters
    ----------
    layer
        The module that was called.
    inputs
        Its input, rows first.
    remember
        Whether several gradients will arrive, so that products with the input are worth keeping.
    """

    parameters: ClassVar[tuple[str, ...]] = ("weight", "bias")

    @abstractmethod
    def __init__(self, layer: nn.Module, inputs: Tensor, *, remember: bool) -> None: ...

    @abstractmethod
    def gradients(self, outputs: Tensor) -> Named:
        """Yield the gradients of the layer's parameters from ``outputs``, the gradient of its output, rows first."""


class _Entry(NamedTuple):
    rule: type[LayerCall]
    when: Callable[[Any], bool]


_RULES: dict[type[nn.Module], _Entry] = {}
_Rule = TypeVar("_Rule", bound=type[LayerCall])


def register(*layers: type[nn.Module], when: Callable[[Any], bool] = lambda _: True) -> Callable[[_Rule], _Rule]:
    """Make a class the rule of some types of layers; a decorator, also for layers of your own.

    Parameters
    ----------
    layers
        Types that compute the same; a subclass with a ``forward`` of its own is not meant.
    when
        Whether the rule holds for a layer as it is configured.
    """

    def decorate(rule: _Rule) -> _Rule:
        _RULES.update(dict.fromkeys(layers, _Entry(rule, when)))
        return rule

    return decorate


def rule_for(layer: nn.Module) -> type[LayerCall] | None:
    """Return the rule of ``layer``, or none: a subclass that computes something else is another layer."""
    kind = type(layer)
    for known in (each for each in kind.__mro__ if each in _RULES):
        same = kind.forward is known.forward and "forward" not in vars(layer)
        return _RULES[known].rule if same and _RULES[known].when(layer) else None
    return None


def accurate(values: Tensor) -> Tensor:
    """Return ``values`` in the precision in which products are summed: single, or double where it is double."""
    return values.detach().to(torch.promote_types(values.dtype, torch.float32))
