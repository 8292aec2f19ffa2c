"""Cross-learning: every task has its own network, held within a radius of all others' centre."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cotrain.errors import InputError
from cotrain.problem.losses import split_outputs
from cotrain.problem.rows import Inputs, Rows
from cotrain.problem.task import Task
from cotrain.training.balancing.backward import Backward
from cotrain.training.fit import Fit
from cotrain.training.run import Run
from cotrain.training.subset_data import SubsetData, trainable
from cotrain.training.trainer import Trainer
from cotrain.training.untrained import untrained


class OwnNetworks(nn.Module):
    """One network per task behind one call.

    Parameters
    ----------
    tasks
        One per network.
    networks
        Each returns the outputs of its task alone.
    """

    def __init__(self, tasks: Sequence[Task], networks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.tasks, self.networks = tuple(tasks), nn.ModuleList(networks)

    def forward(self, inputs: Inputs) -> dict[str, Tensor]:
        """Return one tensor per task."""
        found: dict[str, Tensor] = {}
        for task, network in zip(self.tasks, self.networks, strict=True):
            found |= split_outputs([task], network(inputs))
        return found


class SummedBackward(Backward):
    """Gradients of the sum over tasks: every task's network learns as fast as alone."""

    def forward(self, network: nn.Module, data: SubsetData, batch: Rows) -> Tensor:
        """Set the gradients for one batch and return the mean loss."""
        loss = data.loss(network(batch.inputs), batch.targets)
        torch.autograd.backward(loss * len(data.tasks))
        return loss.detach()


@dataclass(frozen=True)
class CrossLearning:
    r"""Trains a network per task under :math:`\lVert\theta_i - \bar\theta\rVert \le \epsilon` in what they share.

    After every optimizer step what is outside is moved to the nearest point inside; the centre is the mean over tasks
    before that. A radius of zero is hard sharing (exactly so with SGD, heads
    learning as fast as alone), an infinite one a network per task. As many networks
    are deployed as there are tasks.

    Parameters
    ----------
    radius
        How far, in Euclidean norm, a task's shared weights may be from the centre.

    References
    ----------
    Cervino, Bazerque, Calvo-Fullana, Ribeiro (2020), arXiv 2010.12993.

    Examples
    --------
    >>> from cotrain.problem.demo import digits
    >>> trainer = Trainer(digits().with_tasks(["even", "prime"]))
    >>> CrossLearning(radius=1.0).fit(trainer, ("even", "prime")).subset
    ('even', 'prime')
    """

    radius: float

    def __post_init__(self) -> None:
        if not self.radius >= 0:
            raise InputError(f"`radius` must not be negative. Found {self.radius}.")

    def fit(self, trainer: Trainer, subset: Sequence[str], *, seed: int = 0) -> Fit:
        """Train on ``subset``, or recall it from the trainer's folder.

        Raises
        ------
        InputError
            When tasks cannot be trained.
        DivergedError
            When a loss is not finite.
        """
        problem = trainer.problem
        chosen = trainable(problem, subset)
        networks = [untrained(problem, ((name,), seed), trainer.device) for name in chosen]
        together = untrained(problem, (chosen, seed), trainer.device)
        shared = common(networks, together) if len(networks) > 1 else []
        whole = OwnNetworks(problem.tasks_of(chosen), networks)

        def begin() -> Run:
            run = Run.of((chosen, seed), whole, problem.training, SummedBackward())
            run.optimizer.register_step_post_hook(lambda *_: hold(shared, self.radius))
            return run

        return trainer.finish((chosen, seed), whole, begin, method=repr(self))


def common(networks: Sequence[nn.Module], together: nn.Module) -> list[list[nn.Parameter]]:
    """Return, for each weight that all networks share, their versions of it.

    Shared is what has the same name and shape in every task's network and in the one for all tasks.
    """
    named = [dict(network.named_parameters()) for network in networks]
    return [
        [own[name] for own in named]
        for name, whole in together.named_parameters()
        if all(name in own and own[name].shape == whole.shape for own in named)
    ]


@torch.no_grad()
def hold(shared: Sequence[Sequence[nn.Parameter]], radius: float) -> None:
    """Move each task's shared weights to the nearest point within ``radius`` of their mean so far.

    Examples
    --------
    >>> weights = [nn.Parameter(torch.tensor([value])) for value in (0.0, 4.0)]
    >>> hold([weights], radius=1.0)
    >>> [weight.item() for weight in weights]
    [1.0, 3.0]
    """
    if not shared or math.isinf(radius):
        return
    stacked = [torch.stack(list(versions)) for versions in shared]
    centers = [part.mean(dim=0) for part in stacked]
    away = [part - center for part, center in zip(stacked, centers, strict=True)]
    distance = torch.stack([part.flatten(1).square().sum(dim=1) for part in away]).sum(dim=0).sqrt()
    keep = torch.clamp(radius / distance.clamp(min=torch.finfo(distance.dtype).tiny), max=1.0)
    for versions, center, part in zip(shared, centers, away, strict=True):
        for version, off, share in zip(versions, part, keep, strict=True):
            version.copy_(center + share * off)
