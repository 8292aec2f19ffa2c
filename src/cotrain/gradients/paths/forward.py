"""The forward path: derivatives along every coordinate give the gradients of all tasks of shared rows at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.func import functional_call, jvp, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from cotrain.gradients.bases.basis import Basis
from cotrain.gradients.margins import margin_columns
from cotrain.problem.losses import Outputs, split_outputs
from cotrain.problem.rows import Inputs
from cotrain.problem.task import Task


class ForwardPath:
    r"""Coordinate ``j`` of every task's gradient from one derivative along direction ``j`` of the basis.

    The derivative of the margins :math:`m_t` along the lifted unit vector :math:`P e_j` is
    :math:`\nabla m_t^\top P e_j`, coordinate ``j`` of task ``t``. A direction costs about two forward passes whatever
    the number of tasks; a backward pass serves all coordinates, but one task.

    Parameters
    ----------
    network
        In eval mode, parameters frozen.
    basis
        Gives the directions.
    tasks
        What the network predicts.
    """

    name: ClassVar[str] = "forward"

    def __init__(self, network: nn.Module, basis: Basis, tasks: Sequence[Task]) -> None:
        self._network, self.basis, self.tasks = network, basis, tasks
        self._parameters = {name: network.get_parameter(name).detach() for name in basis.shapes}

    def start(self, inputs: Inputs, targets: Tensor) -> ForwardPass:
        """Run the network on a micro-batch."""
        with torch.no_grad():
            parts = split_outputs(self.tasks, self._network(inputs))
        leaves = {task.name: parts[task.name].detach().requires_grad_() for task in self.tasks}
        with torch.enable_grad():
            margins = margin_columns(self.tasks, leaves, targets)
            slopes = torch.autograd.grad(torch.stack(margins).sum(), list(leaves.values()))
        return ForwardPass(self, inputs, [margin.detach() for margin in margins], list(map(_flat, slopes)))

    def outputs_along(self, inputs: Inputs, w: Tensor) -> Tensor:
        """Return the derivatives ``(directions, n, outputs)`` along directions of coordinates ``w (directions, d)``."""

        def outputs(parameters: dict[str, Tensor]) -> Tensor:
            return self._joined(functional_call(self._network, parameters, (inputs,)))

        def along(direction: Tensor) -> Tensor:
            tangents = {name: part.to(self._parameters[name]) for name, part in self.basis.lift(direction).items()}
            derivatives: Tensor = jvp(outputs, (self._parameters,), (tangents,))[1]
            return derivatives

        with sdpa_kernel(SDPBackend.MATH):  # fused attention has no rule for forward mode
            return vmap(along)(w)

    def _joined(self, outputs: Outputs) -> Tensor:
        if isinstance(outputs, Mapping):
            return torch.cat([_flat(outputs[task.name]) for task in self.tasks], dim=1)
        return outputs


class ForwardPass:
    """One micro-batch on the forward path: all tasks together.

    Parameters
    ----------
    path
        Takes the derivatives of outputs.
    inputs
        Of the rows.
    margins
        Task by task.
    slopes
        Task by task, the derivatives ``(n, width)`` of its margin by its own outputs.
    """

    def __init__(self, path: ForwardPath, inputs: Inputs, margins: list[Tensor], slopes: list[Tensor]) -> None:
        self._path, self._inputs, self._slopes = path, inputs, slopes
        self.margins = margins

    def coordinates(self, wanted: Sequence[int], *, at_once: int, dtype: torch.dtype) -> Tensor:
        """Return coordinates ``(wanted tasks, n, d)``, ``at_once`` of them in one pass."""
        dimension = self._path.basis.dimension
        device = self._slopes[0].device
        found = torch.zeros(len(wanted), len(self._slopes[0]), dimension, dtype=dtype, device=device)
        units = torch.eye(dimension, dtype=dtype, device=device)
        for start in range(0, dimension, at_once):
            part = slice(start, start + at_once)
            self.add_along(found[:, :, part], units[part], wanted)
        return found

    def add_along(self, found: Tensor, w: Tensor, wanted: Sequence[int]) -> None:
        """Add the derivatives of margins along directions of coordinates ``w`` to ``found (wanted, n, directions)``."""
        widths = torch.tensor([slope.shape[1] for slope in self._slopes])
        columns = torch.split(torch.arange(int(widths.sum())), widths.tolist())
        picked = torch.cat([columns[task] for task in wanted]).to(found.device)
        owners = torch.arange(len(wanted)).repeat_interleave(widths[list(wanted)]).to(found.device)
        slopes = torch.cat([self._slopes[task] for task in wanted], dim=1)
        along = self._path.outputs_along(self._inputs, w)[:, :, picked] * slopes
        found.index_add_(0, owners, along.permute(2, 1, 0).to(found.dtype))


def _flat(part: Tensor) -> Tensor:
    return part.reshape(len(part), -1)
