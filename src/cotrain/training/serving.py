"""Trained groups as one network: every task predicted by the network that serves it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path

import torch
from torch import Tensor, nn

from cotrain import files
from cotrain.errors import InputError
from cotrain.problem.losses import split_outputs
from cotrain.problem.rows import Inputs
from cotrain.problem.task import Subset, Task
from cotrain.training.tensor_file import save_tensors


class Service(nn.Module):
    """One network per group behind one call; each task's predictions come from the network that serves it.

    Predictions are in the tasks' own terms: the probability of a 1, the probabilities of all classes, a value in its
    own unit, the margin of a sequence.

    Parameters
    ----------
    groups
        For each network its tasks, in the order of its outputs.
    networks
        Trained; copied, and put in eval mode.
    serving
        Task name -> number of the network that predicts it. Tasks without are helpers, and nothing predicts them.

    Examples
    --------
    >>> tasks = (Task("a", "regression", center=5.0), Task("b"))
    >>> service = Service([tasks], [nn.Linear(3, 2)], {"a": 0, "b": 0})
    >>> sorted(service(torch.zeros(4, 3))), service(torch.zeros(4, 3))["b"].shape
    (['a', 'b'], torch.Size([4]))
    """

    def __init__(
        self, groups: Sequence[Sequence[Task]], networks: Sequence[nn.Module], serving: Mapping[str, int]
    ) -> None:
        super().__init__()
        self.groups = [tuple(group) for group in groups]
        self.serving = dict(serving)
        _refuse_misplaced(self.groups, self.serving)
        self.networks = nn.ModuleList(deepcopy(network) for network in networks)
        self.eval()

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks it predicts, in the order of ``serving``."""
        known = [{task.name: task for task in group} for group in self.groups]
        return tuple(known[number][name] for name, number in self.serving.items())

    def forward(self, inputs: Inputs) -> dict[str, Tensor]:
        """Return each task's predictions for encoded rows: ``(n,)``, or ``(n, classes)``."""
        outputs = self.outputs(inputs)
        return {task.name: _predicted(task, outputs[task.name]) for task in self.tasks}

    def outputs(self, inputs: Inputs) -> dict[str, Tensor]:
        """Return each task's raw outputs, as losses take them; a network that serves no task is not called."""
        found: dict[str, Tensor] = {}
        for number, (group, network) in enumerate(zip(self.groups, self.networks, strict=True)):
            own = [name for name, server in self.serving.items() if server == number]
            if own:
                parts = split_outputs(group, network(inputs))
                found |= {name: parts[name] for name in own}
        return found

    @torch.no_grad()
    def predict(self, inputs: Inputs) -> dict[str, Tensor]:
        """Return predictions for encoded rows, in eval mode and without a graph."""
        found: dict[str, Tensor] = self.eval()(inputs)
        return found

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write all weights as one safetensors file; its header says who serves whom."""
        files.refuse_overwriting(Path(path), overwrite=overwrite)
        groups: list[Subset] = [tuple(task.name for task in group) for group in self.groups]
        header = {"kind": "service", "groups": groups, "serving": self.serving}
        save_tensors(Path(path), header, self.state_dict())

    def export(self, path: str | Path, inputs: Inputs, *, overwrite: bool = False) -> None:
        """Write it as a program of ``torch.export`` that runs without cotrain, for any number of rows.

        Parameters
        ----------
        path
            Ends in ``.pt2``; ``torch.export.load(path).module()(inputs)`` predicts.
        inputs
            Two or more encoded rows, as an example.
        overwrite
            Whether to replace a file.
        """
        files.refuse_overwriting(Path(path), overwrite=overwrite)
        rows = torch.export.Dim("rows", min=1)
        batch = {0: rows}
        shapes = batch if isinstance(inputs, Tensor) else dict.fromkeys(inputs, batch)
        given = inputs if isinstance(inputs, Tensor) else dict(inputs)
        program = torch.export.export(self.eval(), (given,), dynamic_shapes=(shapes,))
        files.write_atomically(Path(path), lambda stream: torch.export.save(program, stream))


def _predicted(task: Task, outputs: Tensor) -> Tensor:
    if task.kind == "multiclass":
        return torch.softmax(outputs, dim=1)
    flat = outputs.reshape(-1)
    if task.kind == "regression":
        return task.center + task.scale * flat
    return torch.sigmoid(flat) if task.kind == "binary" else flat


def _refuse_misplaced(groups: Sequence[Sequence[Task]], serving: Mapping[str, int]) -> None:
    if not serving or not groups or not all(groups):
        raise InputError("`groups` and `serving` must not be empty, nor any group. Found an empty one.")
    for name, number in serving.items():
        if not 0 <= number < len(groups) or name not in {task.name for task in groups[number]}:
            raise InputError(f"`serving` must send task '{name}' to a network that knows it. Found network {number}.")
