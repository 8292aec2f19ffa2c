"""A look at a network while it runs: where layers see rows, and how much they produce."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cotrain.gradients.paths.watch import Layout
from cotrain.problem.rows import Inputs, select


@dataclass(frozen=True)
class Sight:
    """What was seen of one layer.

    Parameters
    ----------
    layout
        Where it sees rows; none where that cannot be told.
    outputs
        Numbers it produces for a row, over all calls.
    """

    layout: Layout | None
    outputs: int


def survey(network: nn.Module, layers: Iterable[nn.Module], inputs: Inputs) -> dict[nn.Module, Sight]:
    """Run ``network`` on two and on three rows and tell rows from other dimensions by what grows.

    Layers that are not called are left out.
    """
    layers = list(layers)
    two, three = (_shapes(network, layers, select(inputs, torch.arange(count))) for count in (2, 3))
    return {layer: _sight(two[layer], three.get(layer, [])) for layer in layers if two.get(layer)}


def _shapes(network: nn.Module, layers: list[nn.Module], inputs: Inputs) -> dict[nn.Module, list[tuple[int, ...]]]:
    """Return the shapes of every layer's first input, followed by its output's, call by call."""
    seen: dict[nn.Module, list[tuple[int, ...]]] = {}

    def note(layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        first = args[0] if args else next(iter(kwargs.values()), None)
        if isinstance(first, Tensor) and isinstance(output, Tensor):
            seen.setdefault(layer, []).extend([tuple(first.shape), tuple(output.shape)])

    hooks = [layer.register_forward_hook(note, with_kwargs=True) for layer in layers]
    try:
        with torch.no_grad():
            network(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return seen


def _sight(two: list[tuple[int, ...]], three: list[tuple[int, ...]]) -> Sight:
    outputs = sum(torch.Size(shape).numel() for shape in two[1::2]) // 2
    layouts = {_layout(a, b) for a, b in zip(two, three, strict=False)}
    alike = len(two) == len(three) and len(layouts) == 1
    return Sight(layouts.pop() if alike else None, outputs)


def _layout(two: tuple[int, ...], three: tuple[int, ...]) -> Layout | None:
    growing = [axis for axis, (a, b) in enumerate(zip(two, three, strict=False)) if a * 3 == b * 2 and a]
    if len(two) != len(three) or len(growing) != 1 or growing[0] > 1:
        return None
    fold = two[growing[0]] // 2
    return Layout(growing[0], fold) if growing[0] == 0 or fold == 1 else None
