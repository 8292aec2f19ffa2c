"""The loop: one backward pass for every row alone. The last resort, and the truth that other paths are held to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.func import functional_call

from cotrain.gradients.bases.basis import Basis
from cotrain.gradients.paths.path import MarginFunction
from cotrain.gradients.row_gradient import Materialised
from cotrain.problem.rows import Inputs, select


class LoopPath:
    """Gradients by ``torch.autograd.grad``, row by row.

    Parameters
    ----------
    network
        In eval mode.
    basis
        Receives the gradients.
    margins
        From outputs to margins.
    names
        The parameters.
    """

    name: ClassVar[str] = "loop"

    def __init__(self, network: nn.Module, basis: Basis, margins: MarginFunction, names: Sequence[str]) -> None:
        self._network, self._margins = network, margins
        self._parameters = {name: network.get_parameter(name).detach() for name in names}
        self.basis = basis

    def start(self, inputs: Inputs, targets: Tensor, *, several: bool) -> LoopPass:
        """Run the network row by row and keep the graphs."""
        del several
        leaves = {name: parameter.clone().requires_grad_() for name, parameter in self._parameters.items()}
        rows = torch.split(torch.arange(len(targets), device=targets.device), 1)
        with torch.enable_grad():
            graphs = [
                self._margins(functional_call(self._network, leaves, (select(inputs, row),)), targets[row])
                for row in rows
            ]
        return LoopPass(self.basis, leaves, [list(row) for row in graphs])


class LoopPass:
    """One micro-batch in the loop."""

    def __init__(self, basis: Basis, leaves: dict[str, Tensor], graphs: list[list[Tensor]]) -> None:
        self._basis, self._leaves, self._graphs = basis, leaves, graphs

    def margin(self, task: int) -> Tensor:
        """Return margins or residuals ``(n,)``."""
        return torch.cat([row[task].detach() for row in self._graphs])

    def add(self, raw: Tensor, task: int) -> None:
        """Run one backward pass for every row."""
        for row, margins in enumerate(self._graphs):
            margin = margins[task]
            if not margin.requires_grad:
                continue
            found = torch.autograd.grad(margin, list(self._leaves.values()), retain_graph=True, allow_unused=True)
            for name, gradient in zip(self._leaves, found, strict=True):
                if gradient is not None:
                    self._basis.add(raw[row : row + 1], name, Materialised(gradient[None].to(raw.dtype)))
