"""The engine: one network, one basis, micro-batches in, coordinates of gradients out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property, partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from cotrain.errors import InputError
from cotrain.gradients.bases.basis import Basis
from cotrain.gradients.inference import inference
from cotrain.gradients.margins import margin_columns
from cotrain.gradients.operations import Comparison, compare
from cotrain.gradients.paths.forward import ForwardPath
from cotrain.gradients.paths.path import Pass
from cotrain.gradients.plan import PROBES, Plan, make_plan, mixture, tolerance
from cotrain.problem.rows import Rows
from cotrain.problem.task import Task

_WORKING_BYTES = 192 * 2**20
_LARGEST_BATCH = 1024
_FEWEST_TASKS = 1 / 8
"""Tasks per coordinate below which forward mode is not even compared: loading its rules takes a second."""


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
        self._network, self._tasks = network, tasks
        parameter = next(network.parameters())
        self._dtype = torch.promote_types(parameter.dtype, torch.float32)
        self._basis = basis.to(torch.zeros((), dtype=self._dtype, device=parameter.device))
        self._probes = rows.take(torch.arange(PROBES) % len(rows)).to(parameter.device)
        margin_function = partial(margin_columns, tasks)
        with inference(network):
            self.plan = plan or make_plan(network, basis.shapes, margin_function, self._probes)
        self._paths = self.plan.open(network, self._basis, margin_function)
        self._forward = ForwardPath(network, self._basis, tasks)

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self._network.parameters()).device

    @property
    def row_bytes(self) -> int:
        """Bytes of working memory that a row takes, estimated: activations, gradients that are formed, results."""
        everything = self._basis.forms_gradients
        formed = (name for name in self._basis.shapes if everything or self.plan.paths[name] != "structured")
        numbers = 4 * self.plan.activations + 3 * sum(math.prod(self._basis.shapes[name]) for name in formed)
        return 4 * (numbers + 4 * self._basis.raw_dimension + len(self._tasks) * self._basis.dimension)

    @property
    def micro_batch(self) -> int:
        """Rows that fit into the working memory at once."""
        return max(1, min(_LARGEST_BATCH, _WORKING_BYTES // self.row_bytes))

    @cached_property
    def comparison(self) -> Comparison:
        """Forward mode against the paths of the plan: operations counted, derivatives compared."""
        weights = torch.linspace(0.5, 1.5, len(self._tasks), dtype=self._dtype, device=self.device)
        one = mixture(partial(margin_columns, self._tasks), weights.tolist())
        with inference(self._network):
            paths = self.plan.open(self._network, self._basis, one)
            exact = tolerance(next(self._network.parameters()))
            return compare(self._forward, paths, weights, self._basis, self._probes, tolerance=exact)

    def takes_forward(self, rows: Rows) -> bool:
        """Whether forward mode is cheaper for the tasks whose labels all of ``rows`` have, wanted or not.

        So the same rows take the same path, to the last bit, whatever other tasks are asked for with one.
        """
        sharing = int(rows.observed.all(dim=0).sum())
        worth_a_look = sharing > 1 and sharing >= _FEWEST_TASKS * self._basis.dimension > 0
        return worth_a_look and self.comparison.forward_pays(len(rows), sharing)

    def run(self, rows: Rows, wanted: Sequence[int]) -> list[LinearRows]:
        """Return the linearised rows of every wanted task; all ``rows`` must have its label."""
        with inference(self._network):
            if self.takes_forward(rows):
                return self._all_at_once(rows, wanted)
            started = [path.start(rows.inputs, rows.targets, several=len(wanted) > 1) for path in self._paths]
            return [self._linear_rows(started, task) for task in wanted]

    def _all_at_once(self, rows: Rows, wanted: Sequence[int]) -> list[LinearRows]:
        parameters = sum(math.prod(shape) for shape in self._basis.shapes.values())
        direction = 4 * (2 * parameters + 3 * len(rows) * (self.plan.activations + len(self._tasks)))
        started = self._forward.start(rows.inputs, rows.targets)
        features = started.coordinates(wanted, at_once=max(1, _WORKING_BYTES // direction), dtype=self._dtype)
        margins = [started.margins[task].to(self._dtype) for task in wanted]
        return [LinearRows(*found) for found in zip(features, margins, strict=True)]

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
