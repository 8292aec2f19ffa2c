"""The general path: torch.func takes every row's full gradient, whatever the layers are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from cotrain.gradients.bases.basis import Basis
from cotrain.gradients.paths.path import MarginFunction
from cotrain.gradients.row_gradient import Materialised
from cotrain.problem.rows import Inputs


class GeneralPath:
    """Gradients row by row in one vectorised call; memory is that of ``n`` full gradients.

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

    name: ClassVar[str] = "general"

    def __init__(self, network: nn.Module, basis: Basis, margins: MarginFunction, names: Sequence[str]) -> None:
        self._network, self._basis, self._margins = network, basis, margins
        self._parameters = {name: network.get_parameter(name).detach() for name in names}

    def start(self, inputs: Inputs, targets: Tensor, *, several: bool) -> GeneralPass:
        """Run the network on a micro-batch."""
        del several
        with torch.no_grad():
            margins = self._margins(self._network(inputs), targets)
        return GeneralPass(self, inputs, targets, list(margins))

    def gradients(self, inputs: Inputs, targets: Tensor, task: int) -> dict[str, Tensor]:
        """Return the gradients ``(n, *shape)`` of one task's margins."""

        def margin(parameters: dict[str, Tensor], row: Inputs, target: Tensor) -> Tensor:
            outputs = functional_call(self._network, parameters, (_as_batch(row),))
            return self._margins(outputs, target[None])[task][0]

        named = inputs if isinstance(inputs, Tensor) else dict(inputs)
        with sdpa_kernel(SDPBackend.MATH):  # fused attention has no rule for vmap
            gradients, _ = vmap(grad_and_value(margin), in_dims=(None, 0, 0))(self._parameters, named, targets)
        return dict(gradients)

    def add(self, raw: Tensor, gradients: dict[str, Tensor]) -> None:
        """Add coordinates of ``gradients``."""
        for name, gradient in gradients.items():
            self._basis.add(raw, name, Materialised(gradient.to(raw.dtype)))


class GeneralPass:
    """One micro-batch on the general path."""

    def __init__(self, path: GeneralPath, inputs: Inputs, targets: Tensor, margins: list[Tensor]) -> None:
        self._path, self._inputs, self._targets, self._margins = path, inputs, targets, margins

    def margin(self, task: int) -> Tensor:
        """Return margins or residuals ``(n,)``."""
        return self._margins[task]

    def add(self, raw: Tensor, task: int) -> None:
        """Add the coordinates of one task's gradients."""
        self._path.add(raw, self._path.gradients(self._inputs, self._targets, task))


def _as_batch(row: Inputs) -> Inputs:
    return row[None] if isinstance(row, Tensor) else {name: part[None] for name, part in row.items()}
