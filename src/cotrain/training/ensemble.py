"""Trains many small networks at once: their weights stacked, one operation for all of them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Optimizer

from cotrain.cost import Cost
from cotrain.execution.threads import threads
from cotrain.problem.options import TrainingOptions
from cotrain.problem.rows import select
from cotrain.problem.task import Subset
from cotrain.training.feed import Feed
from cotrain.training.fit import Fit
from cotrain.training.flops import FlopsPerRow
from cotrain.training.history import History, refuse_divergence
from cotrain.training.layout import Layout, folded
from cotrain.training.loop import fit_of, optimizer_of, threads_for
from cotrain.training.subset_data import SubsetData, label_weights, steps_per_epoch

ROWS_AT_ONCE = 2**18


@dataclass(eq=False)
class Member:
    """One network of an ensemble.

    Parameters
    ----------
    subset, seed
        What is trained.
    network
        Its own; it stays untrained until the member has stopped.
    flops
        Operations per row.
    history
        Validation losses so far.
    """

    subset: Subset
    seed: int
    network: nn.Module
    flops: FlopsPerRow
    history: History = field(default_factory=History)


class Ensemble:
    """Trains members until each has stopped, with the results of training them one after another.

    Each member has its own weights, batches, optimizer state and early stopping, and leaves the ensemble when it has
    stopped. All use the layout for all tasks: labels of tasks outside a member's subset weigh nothing.

    Parameters
    ----------
    layout
        Has a place for every member's weights.
    data
        Of all tasks of the layout.
    members
        What is trained.
    options
        How.
    """

    def __init__(self, layout: Layout, data: SubsetData, members: Sequence[Member], options: TrainingOptions) -> None:
        self._layout, self._data, self._options = layout, data, options
        self._members = list(members)
        names = [task.name for task in data.tasks]
        self._columns = [[names.index(name) for name in member.subset] for member in members]
        observed = data.train.observed
        self._rows = [observed[:, columns].any(dim=1).nonzero().flatten() for columns in self._columns]
        self._label_weights = torch.stack([self._weigh(number) for number in range(len(members))])
        self._feed = Feed(
            self._rows,
            [member.seed for member in members],
            options.batch_size,
            min(options.batch_size, len(data.train)),
        )
        self._weights = _stacked(layout, members)
        self._best = {name: value.detach().clone() for name, value in self._weights.items()}
        self._optimizer = optimizer_of(self._weights.values(), options)
        self._losses = torch.zeros(len(members), device=observed.device)
        self._judged = data.validation.observed.any(dim=0).cpu().numpy()
        self._clock = 0.0

    def run(self) -> Iterator[Fit]:
        """Train, and return each member's fit when it has stopped.

        Raises
        ------
        DivergedError
            When a member's loss is not finite.
        """
        while self._members:
            with threads(threads_for(self._flops_per_step())):
                stopped = self._advance()
            yield from map(self._fit, stopped)
            self._keep([number for number in range(len(self._members)) if number not in stopped])

    def _advance(self) -> list[int]:
        """Take steps until some members have stopped; seconds are shared equally among all."""
        stopped: list[int] = []
        while not stopped:
            start = time.perf_counter()
            self._step()
            ended = self._feed.at_epoch_end()
            if len(ended):
                stopped = self._judge(ended)
            self._clock += (time.perf_counter() - start) / len(self._members)
        return stopped

    def _step(self) -> None:
        index, share = self._feed.take()
        flat = index.flatten()
        outputs = self._layout.call(self._weights, folded(select(self._data.train.inputs, flat), index.shape))
        losses = self._data.losses(outputs, self._data.train.targets[flat]).reshape(*index.shape, -1)
        means = torch.bmm(share[:, None], losses)[:, 0]
        own = (means * self._label_weights).sum(dim=1)
        self._optimizer.zero_grad()
        torch.autograd.backward(own.sum())
        self._optimizer.step()
        self._losses += own.detach()

    @torch.no_grad()
    def _judge(self, ended: NDArray[np.int64]) -> list[int]:
        """Judge members at the end of their epoch, start their next, and return those that stop here."""
        where = torch.from_numpy(ended).to(self._losses.device)
        losses, trained = self._validate(where), self._losses[where].tolist()
        better = [number for row, number in enumerate(ended) if self._add(number, losses[row], trained[row])]
        for name, value in self._weights.items():
            self._best[name][better] = value[better]
        self._losses[where] = 0.0
        self._feed.start_epoch(ended)
        return [number for number in ended if self._members[number].history.finished(self._options)]

    def _add(self, number: int, losses: NDArray[np.float64], trained: float) -> bool:
        member, columns = self._members[number], self._columns[number]
        own, judged = losses[columns], self._judged[columns]
        refuse_divergence(member.subset, len(member.history), trained, *own[judged])
        return member.history.add(own)

    def _validate(self, where: Tensor) -> NDArray[np.float64]:
        """Return ``(members, tasks)``: mean validation losses."""
        rows = self._data.validation
        weights = {name: value[where] for name, value in self._weights.items()}
        total = torch.zeros(len(where), len(self._data.tasks), dtype=torch.float64, device=where.device)
        for index in torch.split(torch.arange(len(rows), device=where.device), max(1, ROWS_AT_ONCE // len(where))):
            outputs = self._layout.call(weights, select(rows.inputs, index), shared_inputs=True)
            losses = self._data.losses(outputs, rows.targets[index].repeat(len(where), 1))
            total += losses.reshape(len(where), len(index), -1).sum(dim=1, dtype=torch.float64)
        means: NDArray[np.float64] = (total / rows.observed.sum(dim=0)).cpu().numpy()
        return means

    def _fit(self, number: int) -> Fit:
        member, columns = self._members[number], self._columns[number]
        self._layout.extract({name: value[number] for name, value in self._best.items()}, member.network, member.subset)
        epochs, rows = len(member.history), len(self._rows[number])
        judged = int(self._data.validation.observed[:, columns].any(dim=1).sum())
        cost = Cost(epochs * member.flops.epoch(rows, judged), self._clock, trainings=1)
        steps = epochs * steps_per_epoch(rows, self._options.batch_size)
        return fit_of(member.subset, member.seed, member.network, member.history, self._options, steps=steps, cost=cost)

    def _keep(self, numbers: list[int]) -> None:
        self._members = [self._members[number] for number in numbers]
        self._columns = [self._columns[number] for number in numbers]
        self._rows = [self._rows[number] for number in numbers]
        self._feed.keep(numbers)
        self._label_weights, self._losses = self._label_weights[numbers], self._losses[numbers]
        self._best = {name: value[numbers] for name, value in self._best.items()}
        self._weights = {
            name: nn.Parameter(value.detach()[numbers], requires_grad=value.requires_grad)
            for name, value in self._weights.items()
        }
        self._optimizer = _kept(self._optimizer, optimizer_of(self._weights.values(), self._options), numbers)

    def _weigh(self, number: int) -> Tensor:
        columns, observed = self._columns[number], self._data.train.observed
        weights = torch.zeros(len(self._data.tasks))
        tasks = [self._data.tasks[column] for column in columns]
        weights[columns] = label_weights(tasks, observed[self._rows[number]][:, columns].cpu())
        return weights.to(observed.device)

    def _flops_per_step(self) -> float:
        return self._options.batch_size * sum(member.flops.step for member in self._members)


def _stacked(layout: Layout, members: Sequence[Member]) -> dict[str, nn.Parameter]:
    parts = [layout.embed(dict(member.network.named_parameters()), member.subset) for member in members]
    return {
        name: nn.Parameter(torch.stack([part[name] for part in parts]), requires_grad=whole.requires_grad)
        for name, whole in layout.network.named_parameters()
    }


def _kept(optimizer: Optimizer, fresh: Optimizer, numbers: list[int]) -> Optimizer:
    """Move the state of some members to a fresh optimizer."""
    state = {
        index: {key: value[numbers] if value.dim() else value for key, value in own.items()}
        for index, own in optimizer.state_dict()["state"].items()
    }
    fresh.load_state_dict({"state": state, "param_groups": fresh.state_dict()["param_groups"]})
    return fresh
