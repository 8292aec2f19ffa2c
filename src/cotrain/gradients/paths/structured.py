"""The structured path: layer rules turn one batched backward pass into all rows' coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from cotrain.gradients.bases.basis import Basis
from cotrain.gradients.layers.attention import ExplicitAttention
from cotrain.gradients.paths.path import MarginFunction
from cotrain.gradients.paths.watch import Watched, taken_apart, watching
from cotrain.gradients.row_gradient import RowGradient
from cotrain.problem.rows import Inputs


class StructuredPath:
    """Coordinates of gradients that are never formed.

    Every layer adds what its parameters contribute when the gradient of its output passes by. Weight gradients are
    not computed, so a backward pass costs half of one in training, plus the products with the basis.

    Parameters
    ----------
    network
        In eval mode, parameters frozen.
    basis
        Receives the gradients.
    margins
        From outputs to margins.
    layers
        Those that own the parameters.
    twins
        Attention modules that run taken apart.
    """

    name: ClassVar[str] = "structured"

    def __init__(
        self,
        network: nn.Module,
        basis: Basis,
        margins: MarginFunction,
        layers: Sequence[Watched],
        twins: dict[nn.Module, ExplicitAttention],
    ) -> None:
        self._network, self._margins, self._layers = network, margins, layers
        self.basis = basis
        self._twins = twins

    def start(self, inputs: Inputs, targets: Tensor, *, several: bool) -> StructuredPass:
        """Run the network on a micro-batch and keep the graph."""
        sink, anchor = _Sink(self.basis), torch.zeros((), device=targets.device, requires_grad=True)
        with (
            torch.enable_grad(),
            taken_apart(self._twins),
            watching(self._layers, sink.add, anchor, remember=several),
        ):
            margins = self._margins(self._network(inputs), targets)
        return StructuredPass(list(margins), anchor, sink)


class StructuredPass:
    """One micro-batch on the structured path."""

    def __init__(self, graphs: list[Tensor], anchor: Tensor, sink: _Sink) -> None:
        self._graphs, self._anchor, self._sink = graphs, anchor, sink

    def margin(self, task: int) -> Tensor:
        """Return margins or residuals ``(n,)``."""
        return self._graphs[task].detach()

    def add(self, raw: Tensor, task: int) -> None:
        """Run one backward pass for one task."""
        self._sink.raw = raw
        graph = self._graphs[task]
        if graph.requires_grad:
            torch.autograd.grad(graph.sum(), self._anchor, retain_graph=True, allow_unused=True)


class _Sink:
    """Adds what arrives to the coordinates at hand; apart from the pass, so that no graph refers to itself."""

    raw: Tensor

    def __init__(self, basis: Basis) -> None:
        self._basis = basis

    def add(self, name: str, gradient: RowGradient) -> None:
        self._basis.add(self.raw, name, gradient)
