"""Watch layers while a network runs: remember inputs, and take note when gradients of outputs arrive."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cotrain.errors import InputError
from cotrain.gradients.layers.attention import ExplicitAttention
from cotrain.gradients.layers.rule import LayerCall
from cotrain.gradients.row_gradient import Folded, RowGradient


@dataclass(frozen=True)
class Layout:
    """Where a layer sees rows: along ``axis``, or ``fold`` items in a row for each row along the first."""

    axis: int = 0
    fold: int = 1


@dataclass(frozen=True, eq=False)
class Watched:
    """A layer with a rule, and what its parameters are called in the network."""

    layer: nn.Module
    rule: type[LayerCall]
    names: dict[str, str]
    layout: Layout


Arrival = Callable[[str, RowGradient], None]
"""Is told a parameter's name and what its gradients are."""


@contextmanager
def watching(layers: Sequence[Watched], arrived: Arrival, anchor: Tensor, *, remember: bool) -> Iterator[None]:
    """Have ``arrived`` told of gradients in every backward pass through what runs in this block.

    No gradient of a parameter is formed by autograd: parameters are frozen, and ``anchor``, a zero that requires a
    gradient, is what backward passes run down to.
    """
    with ExitStack() as stack:
        for watched in layers:
            hook = _hook(watched, arrived, anchor, remember=remember)
            stack.callback(watched.layer.register_forward_hook(hook, with_kwargs=True).remove)
        yield


def _hook(watched: Watched, arrived: Arrival, anchor: Tensor, *, remember: bool) -> Callable[..., Tensor]:
    layout = watched.layout

    def note(layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Tensor) -> Tensor:
        inputs: Tensor = args[0] if args else next(iter(kwargs.values()))
        call = watched.rule(layer, inputs.detach().transpose(0, layout.axis), remember=remember)
        version = inputs._version  # noqa: SLF001 - the counter that autograd itself relies on

        def receive(gradient: Tensor) -> None:
            _refuse_if_changed(watched, inputs, version)
            for name, each in call.gradients(gradient.transpose(0, layout.axis)):
                if name in watched.names:
                    arrived(watched.names[name], each if layout.fold == 1 else Folded(each, layout.fold))

        attached: Tensor = _Tap.apply(output, anchor, receive)  # type: ignore[no-untyped-call]
        return attached

    return note


class _Tap(torch.autograd.Function):
    """Lets a value pass, and has ``receive`` told of its gradient; backward passes to ``anchor`` come by."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, anchor: Tensor, receive: Callable[[Tensor], None]) -> Tensor:
        del anchor
        ctx.receive = receive
        return value.detach()  # the same memory, and no view: those are not told once they are changed in place

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, None, None]:
        ctx.receive(gradient)
        return gradient if ctx.needs_input_grad[0] else None, None, None


def _refuse_if_changed(watched: Watched, inputs: Tensor, version: int) -> None:
    if inputs._version != version:  # noqa: SLF001
        raise InputError(
            f"The input of the layer that owns {sorted(watched.names.values())} was changed in place after the layer "
            "had used it. Use the operation that returns a new tensor there."
        )


def explicit_attention(network: nn.Module) -> dict[nn.Module, ExplicitAttention]:
    """Return a taken-apart twin for every attention module of ``network`` that has one."""
    return {
        module: ExplicitAttention(module)
        for module in network.modules()
        if isinstance(module, nn.MultiheadAttention) and ExplicitAttention.can_replace(module)
    }


@contextmanager
def taken_apart(twins: dict[nn.Module, ExplicitAttention]) -> Iterator[None]:
    """Let attention modules compute through their twins."""
    try:
        for module, twin in twins.items():
            vars(module)["forward"] = twin
        yield
    finally:
        for module in twins:
            vars(module).pop("forward", None)
