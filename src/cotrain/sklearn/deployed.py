"""The networks that predict: one per group and seed, averaged over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cotrain.errors import InputError
from cotrain.grouping.grouping import Grouping
from cotrain.models.mlp import SharedMLPFactory
from cotrain.problem.encoding import Standardiser
from cotrain.problem.losses import split_outputs
from cotrain.problem.options import NetworkOptions
from cotrain.problem.task import Task
from cotrain.training.tensor_file import load_tensors, prefixed, save_tensors, unprefixed

_HEADER = {"kind": "deployed networks"}


@dataclass(frozen=True, eq=False)
class Deployed:
    """Networks as they are used for prediction, in double precision so that batches do not matter.

    Parameters
    ----------
    standardiser
        Of the inputs, as in training.
    tasks
        What is predicted.
    grouping
        Which group serves which task.
    factory
        Builds the networks.
    networks
        One sequence per seed with a network for every group.
    """

    standardiser: Standardiser
    tasks: tuple[Task, ...]
    grouping: Grouping
    factory: SharedMLPFactory
    networks: Sequence[Sequence[nn.Module]]

    def __post_init__(self) -> None:
        for network in (one for networks in self.networks for one in networks):
            network.cpu().double().eval()

    @torch.no_grad()
    def predict(self, matrix: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Return class probabilities ``(rows, classes)`` or values ``(rows,)`` of every task, mean over seeds."""
        inputs = torch.from_numpy(self.standardiser.transform(matrix)).double()
        sums: dict[str, Tensor] = {}
        for networks in self.networks:
            for position, (group, network) in enumerate(zip(self.grouping.groups, networks, strict=True)):
                tasks = self._members(group)
                outputs = split_outputs(tasks, network(inputs))
                for task in tasks:
                    if self.grouping.serving[task.name] == position:
                        found = _in_own_unit(task, outputs[task.name])
                        sums[task.name] = found + sums[task.name] if task.name in sums else found
        return {name: (total / len(self.networks)).numpy() for name, total in sums.items()}

    def save(self, path: Path) -> None:
        """Save as one safetensors file."""
        header = {
            **_HEADER,
            "standardiser": self.standardiser.to_dict(),
            "tasks": [asdict(task) for task in self.tasks],
            "features": self.factory.features,
            "network": self.factory.options.to_dict(),
            "seeds": len(self.networks),
        }
        tensors: dict[str, Tensor] = {}
        for seed, networks in enumerate(self.networks):
            for group, network in enumerate(networks):
                tensors |= prefixed(f"{seed}.{group}.", network.state_dict())
        save_tensors(path, header, tensors)

    @classmethod
    def load(cls, path: Path, grouping: Grouping) -> Deployed:
        """Load what :meth:`save` saved."""
        found = load_tensors(path, _HEADER)
        if found is None:
            raise InputError(f"`path` must hold a saved estimator. '{path}' does not exist.")
        header, tensors = found
        tasks = tuple(Task(**_plain(fields)) for fields in header["tasks"])
        factory = SharedMLPFactory(header["features"], NetworkOptions(**header["network"]))
        empty = cls(Standardiser.from_dict(header["standardiser"]), tasks, grouping, factory, ())
        networks = [
            [empty._rebuilt(group, unprefixed(f"{seed}.{i}.", tensors)) for i, group in enumerate(grouping.groups)]
            for seed in range(header["seeds"])
        ]
        return replace(empty, networks=networks)

    def _members(self, group: Sequence[str]) -> list[Task]:
        named = {task.name: task for task in self.tasks}
        return [named[name] for name in group]

    def _rebuilt(self, group: Sequence[str], state: Mapping[str, Tensor]) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            network = self.factory(self._members(group)).double()
        network.load_state_dict(state)
        return network


def _in_own_unit(task: Task, outputs: Tensor) -> Tensor:
    if task.kind == "regression":
        return task.center + task.scale * outputs[:, 0]
    if task.kind == "multiclass":
        return outputs.softmax(dim=1)
    positive = outputs[:, 0].sigmoid()
    return torch.stack([1 - positive, positive], dim=1)


def _plain(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {**fields, "labels": tuple(fields["labels"])}
