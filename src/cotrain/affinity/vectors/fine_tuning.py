"""Short trainings of single tasks that all start from one network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import nn

from cotrain.problem.problem import NetworkFactory, Problem
from cotrain.problem.task import Subset, Task
from cotrain.training.fit import Fit
from cotrain.training.layout import Layout
from cotrain.training.trainer import Trainer


@dataclass(frozen=True, eq=False)
class FromBase:
    """Builds networks of some tasks that start with the weights of one network of all tasks.

    Parameters
    ----------
    build
        Builds the networks.
    layout
        Of that network.
    """

    build: NetworkFactory
    layout: Layout

    def __call__(self, tasks: Sequence[Task]) -> nn.Module:
        """Return a network for ``tasks`` with its shared weights, buffers and own heads."""
        network, base = self.build(tasks), self.layout.network
        weights = {name: value.detach() for name, value in base.named_parameters()}
        self.layout.extract(weights, network, tuple(task.name for task in tasks))
        buffers = dict(base.named_buffers())
        with torch.no_grad():
            for name, buffer in network.named_buffers():
                if name in buffers and buffers[name].shape == buffer.shape:
                    buffer.copy_(buffers[name])
        return network


def fine_tune(
    problem: Problem, trainer: Trainer, start: nn.Module, subset: Subset, *, epochs: int, seed: int, label: str
) -> list[Fit]:
    """Train a copy of a network on each task alone for at most some epochs; fits come in the order of the problem.

    Small networks train all at once. Where the trainer keeps its fits, these are kept in the folder ``label`` there.

    Parameters
    ----------
    start
        Where all start: a network of the tasks of ``subset``, in its order.
    """
    build = FromBase(problem.build, Layout(problem.tasks_of(subset), start))
    short = replace(problem.training, epochs=epochs, patience=epochs)
    own = Trainer(
        replace(problem, build=build, training=short),
        folder=trainer.folder and trainer.folder / label, device=trainer.device, progress=trainer.progress,
        executor=trainer.executor,
    )  # fmt: skip
    return list(own.fit_many([((name,), seed) for name in problem.names]))
