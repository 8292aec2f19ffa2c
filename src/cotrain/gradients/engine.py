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
from cotrain.gradients.margins import margins
from cotrain.gradients.paths.general import GeneralPath
from cotrain.gradients.paths.path import Pass
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

    Raises
    ------
    InputError
        When the basis belongs to another network.
    """

    def __init__(self, network: nn.Module, tasks: Sequence[Task], basis: Basis) -> None:
        _check_shapes(network, basis)
        self._network, self._basis = network, basis
        self._path = GeneralPath(network, basis, partial(margins, tasks), tuple(basis.shapes))
        parameter = next(network.parameters())
        self._dtype = torch.promote_types(parameter.dtype, torch.float32)

    @property
    def micro_batch(self) -> int:
        """Rows that fit into the working memory at once."""
        entries = sum(math.prod(shape) for shape in self._basis.shapes.values())
        return max(1, min(_LARGEST_BATCH, _WORKING_BYTES // (3 * 4 * entries)))

    def run(self, rows: Rows, wanted: Sequence[int]) -> list[LinearRows]:
        """Return the linearised rows of every wanted task; all ``rows`` must have its label."""
        with inference(self._network):
            started = self._path.start(rows.inputs, rows.targets)
            return [
                LinearRows(self._features(started, task), started.margins[:, task].to(self._dtype)) for task in wanted
            ]

    def _features(self, started: Pass, task: int) -> Tensor:
        margins = started.margins
        raw = torch.zeros(len(margins), self._basis.raw_dimension, dtype=self._dtype, device=margins.device)
        started.add(raw, task)
        return self._basis.finish(raw)


def _check_shapes(network: nn.Module, basis: Basis) -> None:
    found = {name: tuple(parameter.shape) for name, parameter in network.named_parameters()}
    wrong = [name for name, shape in basis.shapes.items() if found.get(name) != tuple(shape)]
    if wrong:
        raise InputError(
            f"`basis` must be made for this network. It expects `{wrong[0]}` of shape {tuple(basis.shapes[wrong[0]])}; "
            f"found {found.get(wrong[0], 'no such parameter')}. Make a basis for the network at hand."
        )
