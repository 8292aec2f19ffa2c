"""MAML, first-order MAML and Reptile over a group of tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call

from cotrain import checks
from cotrain.problem.losses import Outputs, row_losses
from cotrain.problem.problem import Problem
from cotrain.problem.rows import Rows
from cotrain.problem.task import Subset, Task
from cotrain.seeding import seeded
from cotrain.training.history import refuse_divergence
from cotrain.training.meta.episodes import draw
from cotrain.training.subset_data import trainable

Weights = Mapping[str, Tensor]


@dataclass(frozen=True)
class MetaLearning:
    """Learns initial weights for a group of tasks; a task then adapts to few rows by a few gradient steps.

    The network has a single output head that all tasks start from, so tasks of a group must be of one kind.

    Parameters
    ----------
    method
        ``"maml"`` differentiates through the adaptation, ``"fomaml"`` takes the gradient where it ended, ``"reptile"``
        moves towards where it ended.
    shots, queries
        Rows to adapt on and to judge by.
    inner_rate, inner_steps
        Of the adaptation, by plain gradient descent.
    rate, steps
        Of the initial weights' own training, with Adam; each step is an episode of every task.

    References
    ----------
    Finn, Abbeel, Levine (ICML 2017), arXiv 1703.03400; Nichol, Achiam, Schulman (2018), arXiv 1803.02999.

    Examples
    --------
    >>> from cotrain.problem.demo import digits
    >>> problem = digits()
    >>> learned = MetaLearning("fomaml", steps=2).fit(problem, ("even", "prime"))
    >>> learned.judge("loop", episodes=2).shape
    (2,)
    """

    method: Literal["maml", "fomaml", "reptile"] = "fomaml"
    shots: int = 5
    queries: int = 15
    inner_rate: float = 0.1
    inner_steps: int = 3
    rate: float = 1e-2
    steps: int = 200

    def __post_init__(self) -> None:
        checks.one_of("method", self.method, ("maml", "fomaml", "reptile"))
        for name in ("shots", "queries", "inner_steps", "steps"):
            checks.at_least(name, getattr(self, name), 1)
        for name in ("inner_rate", "rate"):
            checks.at_least(name, getattr(self, name), 0.0)

    def fit(self, problem: Problem, group: Sequence[str], *, seed: int = 0) -> MetaLearned:
        """Learn initial weights from training rows of the group's tasks.

        Raises
        ------
        InputError
            When tasks differ in kind or have too few rows.
        DivergedError
            When a loss is not finite.
        """
        chosen = trainable(problem, group)
        tasks = problem.tasks_of(chosen)
        checks.one_of("group", " and ".join(sorted({task.kind for task in tasks})), (tasks[0].kind,))
        with seeded(seed, "network"):
            network = problem.build(tasks[:1]).train()
        optimizer = torch.optim.Adam(network.parameters(), lr=self.rate)
        for step in range(self.steps):
            with seeded(seed, "meta", step):
                optimizer.zero_grad()
                losses = [self._learn(network, problem, task, seed, step, len(tasks)) for task in tasks]
                optimizer.step()
            refuse_divergence(chosen, step, *losses)
        return MetaLearned(problem, chosen, network, self)

    def adapt(self, network: nn.Module, task: Task, support: Rows, *, keep_graph: bool = False) -> Weights:
        """Return the weights after the inner steps on ``support``; the network stays as it is."""
        weights: Weights = dict(network.named_parameters())
        for _ in range(self.inner_steps):
            loss = episode_loss(network, weights, task, support)
            gradients = torch.autograd.grad(loss, list(weights.values()), create_graph=keep_graph)
            moved = zip(weights.items(), gradients, strict=True)
            weights = {name: value - self.inner_rate * gradient for (name, value), gradient in moved}
        return weights

    def _learn(self, network: nn.Module, problem: Problem, task: Task, seed: int, step: int, tasks: int) -> float:
        """Add one episode's gradient to the network's; return its loss on the query rows."""
        episode = draw(problem, task.name, "train", shots=self.shots, queries=self.queries, seed=seed, number=step)
        weights = self.adapt(network, task, episode.support, keep_graph=self.method == "maml")
        loss = episode_loss(network, weights, task, episode.query)
        start = dict(network.named_parameters())
        if self.method == "reptile":
            found = [(start[name] - weights[name]).detach() for name in start]
        else:
            where = list(start.values()) if self.method == "maml" else list(weights.values())
            found = list(torch.autograd.grad(loss, where))
        for parameter, gradient in zip(start.values(), found, strict=True):
            part = gradient / tasks
            parameter.grad = part if parameter.grad is None else parameter.grad + part
        return float(loss.detach())


@dataclass(frozen=True, eq=False)
class MetaLearned:
    """Initial weights for a group of tasks.

    Parameters
    ----------
    problem
        Where they come from.
    group
        The tasks that they were learned from.
    network
        Holds them.
    method
        How they were learned, and how tasks adapt.
    """

    problem: Problem
    group: Subset
    network: nn.Module
    method: MetaLearning

    def judge(self, task: str, *, episodes: int = 20, seed: int = 0) -> NDArray[np.float64]:
        """Return the loss on query rows after adapting, for random episodes of test rows of any task of that kind."""
        own, method, losses = self.problem.tasks_of(self.problem.subset([task]))[0], self.method, []
        for number in range(episodes):
            size = {"shots": method.shots, "queries": method.queries}
            episode = draw(self.problem, task, "test", **size, seed=seed, number=number)
            weights = method.adapt(self.network, own, episode.support)
            losses.append(float(episode_loss(self.network, weights, own, episode.query).detach()))
        return np.array(losses)


def episode_loss(network: nn.Module, weights: Weights, task: Task, rows: Rows) -> Tensor:
    """Return a task's mean loss under some weights."""
    outputs: Outputs = functional_call(network, dict(weights), (rows.inputs,))
    if not isinstance(outputs, Tensor):
        outputs = next(iter(outputs.values()))
    return row_losses([task], outputs, rows.targets).mean()
