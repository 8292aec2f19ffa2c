"""The engine: one network, one basis, micro-batches in, coordinates of gradients out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from cotrain.errors import InputError
from cotrain.gradients.bases.basis import Basis
from cotrain.gradients.inference import inference
from cotrain.gradients.margins import margin_columns
from cotrain.gradients.paths.path import Pass
from cotrain.gradients.plan import Plan, make_plan
from cotrain.problem.rows import Rows
from cotrain.problem.task import Task

_WORKING_BYTES = 256 * 2**20
_LARGEST_BATCH = 1024


class LinearRows(NamedTuple):
    """Rows of one task: ``features (n, d)`` and ``offset (n,)``."""

    features: Tensor
    offset: Tensor


class Engine:
    """Takes gradients of a network's margins in the coordinates of a basis.

    Parameters
    ----------
    network
        Returns outputs for ``tasks``, in their order.
    tasks
        What the network predicts.
    basis
        Chooses the parameters and the coordinates.
    rows
        Some rows of the data, to choose paths by.
    plan
        The plan of another engine for the same network and parameters, which saves making one.

    Raises
    ------
    InputError
        When the basis belongs to another network.
    """

    def __init__(
        self, network: nn.Module, tasks: Sequence[Task], basis: Basis, rows: Rows, *, plan: Plan | None = None
    ) -> None:
        _check_shapes(network, basis)
        self._network = network
        parameter = next(network.parameters())
        self._dtype = torch.promote_types(parameter.dtype, torch.float32)
        self._basis = basis.to(torch.zeros((), dtype=self._dtype, device=parameter.device))
        margin_function = partial(margin_columns, tasks)
        with inference(network):
            self.plan = plan or make_plan(network, basis.shapes, margin_function, rows.to(parameter.device))
        self._paths = self.plan.open(network, self._basis, margin_function)

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self._network.parameters()).device

    @property
    def row_bytes(self) -> int:
        """Bytes of working memory that a row takes, estimated: activations, and gradients that are formed."""
        everything = self._basis.forms_gradients
        formed = (name for name in self._basis.shapes if everything or self.plan.paths[name] != "structured")
        numbers = 4 * self.plan.activations + 3 * sum(math.prod(self._basis.shapes[name]) for name in formed)
        return 4 * (numbers + 4 * self._basis.raw_dimension)

    @property
    def micro_batch(self) -> int:
        """Rows that fit into the working memory at once."""
        return max(1, min(_LARGEST_BATCH, _WORKING_BYTES // self.row_bytes))

    def run(self, rows: Rows, wanted: Sequence[int]) -> list[LinearRows]:
        """Return the linearised rows of every wanted task; all ``rows`` must have its label."""
        with inference(self._network):
            started = [path.start(rows.inputs, rows.targets, several=len(wanted) > 1) for path in self._paths]
            return [self._linear_rows(started, task) for task in wanted]

    def _linear_rows(self, started: Sequence[Pass], task: int) -> LinearRows:
        margins = started[0].margin(task).to(self._dtype)
        raw = margins.new_zeros(len(margins), self._basis.raw_dimension)
        for each in started:
            each.add(raw, task)
        return LinearRows(self._basis.finish(raw), margins)


def _check_shapes(network: nn.Module, basis: Basis) -> None:
    found = {name: tuple(parameter.shape) for name, parameter in network.named_parameters()}
    wrong = [name for name, shape in basis.shapes.items() if found.get(name) != tuple(shape)]
    if wrong:
        raise InputError(
            f"`basis` must be made for this network. It expects `{wrong[0]}` of shape {tuple(basis.shapes[wrong[0]])}; "
            f"found {found.get(wrong[0], 'no such parameter')}. Make a basis for the network at hand."
        )
