"""The trunk of a network: what it has in common with networks of other tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cotrain.errors import InputError
from cotrain.problem.problem import NetworkFactory, Problem
from cotrain.problem.task import Task
from cotrain.training.fit import Fit
from cotrain.training.untrained import untrained


def trunk_of(problem: Problem, base: Fit) -> dict[str, Tensor]:
    """Return the parameters and buffers of ``base`` that do not depend on its tasks.

    They are those with the same name and shape in the networks of the base's first and last task alone.

    Raises
    ------
    InputError
        When there are none.
    """
    jobs = [((name,), base.seed) for name in (base.subset[0], base.subset[-1])]
    alone = [untrained(problem, job, torch.device("cpu")).state_dict() for job in jobs]
    trunk = {
        name: value
        for name, value in base.network.state_dict().items()
        if all(name in state and state[name].shape == value.shape for state in alone)
    }
    if not trunk:
        raise InputError(
            "A network must have parameters with the same names and shapes for any tasks, a trunk. Found none in "
            f"{type(base.network).__name__}."
        )
    return trunk


@dataclass(frozen=True)
class OnTrunk:
    """Builds networks on a trunk that does not train."""

    build: NetworkFactory
    trunk: Mapping[str, Tensor]

    def __call__(self, tasks: Sequence[Task]) -> nn.Module:
        """Return a network whose heads alone train."""
        network = self.build(tasks)
        network.load_state_dict(self.trunk, strict=False)
        for name, parameter in network.named_parameters():
            if name in self.trunk:
                parameter.requires_grad_(False)
        return network
