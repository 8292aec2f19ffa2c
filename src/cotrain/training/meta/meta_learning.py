"""MAML, first-order MAML and Reptile over a group of tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call

from cotrain import checks
from cotrain.execution.threads import threads
from cotrain.problem.losses import Outputs, row_losses
from cotrain.problem.problem import Problem
from cotrain.problem.rows import Rows
from cotrain.problem.task import Subset, Task
from cotrain.seeding import seeded
from cotrain.training.callbacks import Audience
from cotrain.training.checkpoint import State
from cotrain.training.history import refuse_divergence
from cotrain.training.loop import threads_for
from cotrain.training.meta.episodes import draw
from cotrain.training.precision import descend, mixed
from cotrain.training.run import Run
from cotrain.training.schedule import advance, scheduler_of
from cotrain.training.subset_data import SubsetData, trainable
from cotrain.training.trainer import Trainer

FLOPS_PER_WEIGHT = 6
"""Of a linear layer and a row, forwards and backwards."""
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
    >>> trainer = Trainer(digits())
    >>> learned = MetaLearning("fomaml", steps=2).fit(trainer, ("even", "prime"))
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

    def fit(self, trainer: Trainer, group: Sequence[str], *, seed: int = 0) -> MetaLearned:
        """Learn initial weights from training rows of the group's tasks.

        Of the problem's options, ``clip_norm``, ``precision`` (no ``"float16"``) and ``schedule`` count, each step as
        an epoch; watchers hear of every step and of the losses after adapting.

        Parameters
        ----------
        trainer
            Its problem, device and watchers are used; in its folder, the training is kept and resumed.
        group
            Tasks of one kind.
        seed
            Same seed, same result.

        Raises
        ------
        InputError
            When tasks differ in kind or have too few rows.
        DivergedError
            When a loss is not finite.
        """
        problem = trainer.problem
        chosen = trainable(problem, group)
        tasks = problem.tasks_of(chosen)
        checks.one_of("group", " and ".join(sorted({task.kind for task in tasks})), (tasks[0].kind,))
        checks.one_of("precision", problem.training.precision, ("float32", "bfloat16"))
        with seeded(seed, "network"):
            network = problem.build(tasks[:1]).train().to(trainer.device)
        learning = _Learning(self, trainer, network, chosen, seed)
        trainer.complete(learning, (chosen, seed), network, method=repr(self))
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

    def learn(self, network: nn.Module, problem: Problem, task: Task, *, seed: int, step: int, share: float) -> float:
        """Add a share of one episode's gradient to the network's; return its loss on the query rows."""
        device = next(network.parameters()).device
        size = {"shots": self.shots, "queries": self.queries}
        episode = draw(problem, task.name, "train", **size, seed=seed, number=step).to(device)
        weights = self.adapt(network, task, episode.support, keep_graph=self.method == "maml")
        loss = episode_loss(network, weights, task, episode.query)
        start = dict(network.named_parameters())
        if self.method == "reptile":
            found = [(start[name] - weights[name]).detach() for name in start]
        else:
            where = list(start.values()) if self.method == "maml" else list(weights.values())
            found = list(torch.autograd.grad(loss, where))
        for parameter, gradient in zip(start.values(), found, strict=True):
            part = gradient * share
            parameter.grad = part if parameter.grad is None else parameter.grad + part
        return float(loss.detach())


class _Learning:
    """A training of initial weights, step by step; each step is an epoch of its run."""

    def __init__(self, method: MetaLearning, trainer: Trainer, network: nn.Module, chosen: Subset, seed: int) -> None:
        self._method, self._problem, self._options = method, trainer.problem, trainer.problem.training
        optimizer = torch.optim.Adam(network.parameters(), lr=method.rate)
        scheduler = scheduler_of(optimizer, replace(self._options, epochs=method.steps))
        self._run = Run(chosen, seed, network, optimizer, scheduler=scheduler)
        weights, rows = sum(own.numel() for own in network.parameters()), method.shots + method.queries
        self._threads = threads_for(FLOPS_PER_WEIGHT * weights * rows)
        self._audience = Audience(trainer.watchers)
        self._audience.before_training(self._run, SubsetData.of(self._problem, chosen, trainer.device))

    @property
    def finished(self) -> bool:
        return len(self._run.history) >= self._method.steps

    def advance(self) -> None:
        run, step = self._run, len(self._run.history)
        network, tasks = mixed(run.network, self._options), self._problem.tasks_of(run.subset)
        with threads(self._threads), seeded(run.seed, "meta", step):
            run.optimizer.zero_grad()
            place: dict[str, Any] = {"seed": run.seed, "step": step, "share": 1 / len(tasks)}
            losses = [self._method.learn(network, self._problem, task, **place) for task in tasks]
            descend(run.optimizer, self._options)
        refuse_divergence(run.subset, step, *losses)
        run.history.add(np.array(losses))
        advance(run.scheduler, run.history.curve[-1])
        self._audience.after_epoch(run)

    def state(self) -> State:
        return self._run.state()

    def restore(self, state: State) -> None:
        self._run.restore(state)


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
        device = next(self.network.parameters()).device
        for number in range(episodes):
            size = {"shots": method.shots, "queries": method.queries}
            episode = draw(self.problem, task, "test", **size, seed=seed, number=number).to(device)
            weights = method.adapt(self.network, own, episode.support)
            losses.append(float(episode_loss(self.network, weights, own, episode.query).detach()))
        return np.array(losses)


def episode_loss(network: nn.Module, weights: Weights, task: Task, rows: Rows) -> Tensor:
    """Return a task's mean loss under some weights."""
    outputs: Outputs = functional_call(network, dict(weights), (rows.inputs,))
    if not isinstance(outputs, Tensor):
        outputs = next(iter(outputs.values()))
    return row_losses([task], outputs, rows.targets).mean()
