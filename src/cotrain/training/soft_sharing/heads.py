"""The weights of linear heads, task by task, to be moved after every optimizer step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from cotrain.problem.losses import output_columns, split_outputs
from cotrain.problem.rows import Inputs, select
from cotrain.problem.task import Subset, Task
from cotrain.training.balancing.backward import Backward
from cotrain.training.balancing.last_layer import last_layer
from cotrain.training.balancing.sharing import shared_numbers
from cotrain.training.fit import Fit
from cotrain.training.run import Run
from cotrain.training.subset_data import trainable
from cotrain.training.trainer import Trainer
from cotrain.training.untrained import untrained

PROBE_ROWS = 8


@dataclass(frozen=True, eq=False)
class Heads:
    """Where each task's head is: a matrix of weights and the rows of it that are the task's."""

    tasks: tuple[Task, ...]
    places: tuple[tuple[Tensor, slice], ...]

    def weights(self) -> list[Tensor]:
        """Return, for each task, its weights ``(outputs, features)``, which may be changed in place."""
        return [whole.detach()[rows] for whole, rows in self.places]


def heads_of(network: nn.Module, tasks: Sequence[Task], inputs: Inputs, *, needed_by: str) -> Heads:
    """Find the heads of several tasks.

    Parameters
    ----------
    network
        Returns outputs for ``tasks``.
    tasks
        Two or more.
    inputs
        A few rows.
    needed_by
        What asks, for the message.

    Raises
    ------
    InputError
        When what tasks have of their own is not linear heads on one representation.
    """
    shared = shared_numbers(network.eval(), tasks, inputs)
    layer = last_layer(network, tasks, shared, inputs, needed_by=needed_by)
    matrices = [own for own in layer.parameters(network) if own.dim() > 1]
    if len(matrices) == 1:
        columns = output_columns(tasks)
        return Heads(tuple(tasks), tuple((matrices[0], columns[task.name]) for task in tasks))
    outputs = split_outputs(tasks, network(inputs))
    places = []
    for task in tasks:
        reached = torch.autograd.grad(outputs[task.name].sum(), matrices, retain_graph=True, allow_unused=True)
        places += [(own, slice(None)) for own, slope in zip(matrices, reached, strict=True) if slope is not None]
    return Heads(tuple(tasks), tuple(places))


class MovedHeads(Backward):
    """Plain gradients; after every step of the optimizer, :meth:`move` has a hand in the heads' weights."""

    def attach(self, optimizer: Optimizer) -> None:
        """Hear which optimizer takes the steps."""
        optimizer.register_step_post_hook(lambda *_: self.move(float(optimizer.param_groups[0]["lr"])))

    @torch.no_grad()
    def move(self, rate: float) -> None:
        """Take the penalty's own step, as long as the learning rate says."""
        raise NotImplementedError


class HeadPenalty:
    """What trainers with a penalty on linear heads have in common; subclasses are frozen dataclasses."""

    def fit(self, trainer: Trainer, subset: Sequence[str], *, seed: int = 0) -> Fit:
        """Train on ``subset``, or recall it from the trainer's folder.

        Raises
        ------
        InputError
            When tasks cannot be trained, or their heads are not linear on one representation.
        DivergedError
            When a loss is not finite.
        """
        problem = trainer.problem
        chosen = trainable(problem, subset)
        network = untrained(problem, (chosen, seed), trainer.device)
        backward = self._penalised(self.heads(trainer, chosen, network)) if len(chosen) > 1 else Backward()
        backward = backward.to(trainer.device)
        job = chosen, seed
        return trainer.finish(job, network, lambda: Run.of(job, network, problem.training, backward), method=repr(self))

    def heads(self, trainer: Trainer, subset: Subset, network: nn.Module) -> Heads:
        """Return the heads of a network for two tasks or more."""
        rows = trainer.problem.rows_of(subset, "train").to(trainer.device)
        inputs = select(rows.inputs, torch.arange(min(PROBE_ROWS, len(rows)), device=trainer.device))
        return heads_of(network, trainer.problem.tasks_of(subset), inputs, needed_by=type(self).__name__)

    def _penalised(self, heads: Heads) -> MovedHeads:
        raise NotImplementedError
