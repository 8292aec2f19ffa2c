"""Trains many small networks at once: their weights stacked, one operation for all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cotrain.cost import Cost
from cotrain.execution.threads import threads
from cotrain.problem.options import TrainingOptions
from cotrain.problem.rows import select
from cotrain.problem.task import Subset
from cotrain.training.checkpoint import State
from cotrain.training.feed import Feed
from cotrain.training.fit import Fit
from cotrain.training.flops import FlopsPerRow
from cotrain.training.history import History, refuse_divergence
from cotrain.training.layout import Layout, folded
from cotrain.training.loop import fit_of, threads_for
from cotrain.training.optimizer import keep_members, optimizer_of, optimizer_state, restore_optimizer
from cotrain.training.subset_data import SubsetData, label_weights, steps_per_epoch
from cotrain.training.tensor_file import prefixed, unprefixed

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
        self._feed = Feed(self._rows, [member.seed for member in members], options.batch_size, data.train)
        self._weights = _stacked(layout, members)
        self._best = {name: value.detach().clone() for name, value in self._weights.items()}
        self._optimizer = optimizer_of(self._weights.values(), options)
        self._losses = torch.zeros(len(members), device=observed.device)
        self._judged = data.validation.observed.any(dim=0).cpu().numpy()
        self._clock = 0.0

    def run(self, after_epochs: Callable[[Ensemble], object]) -> Iterator[Fit]:
        """Train, and return each member's fit when it has stopped.

        Parameters
        ----------
        after_epochs
            Called when some members have ended an epoch and not all have stopped.

        Raises
        ------
        DivergedError
            When a member's loss is not finite.
        """
        while self._members:
            with threads(threads_for(self._flops_per_step())):
                stopped = self._advance()
            yield from map(self._fit, stopped)
            if stopped:
                self._keep([number for number in range(len(self._members)) if number not in stopped])
            if self._members:
                after_epochs(self)

    def state(self) -> State:
        """Return all that the members which have not stopped need to go on."""
        parts: dict[str, Mapping[str, Tensor]] = {
            "weights.": self._weights,
            "best.": self._best,
            "optimizer.": optimizer_state(self._optimizer),
            "history.": {
                str(number): torch.from_numpy(np.stack(member.history.losses))
                for number, member in enumerate(self._members)
                if len(member.history)
            },
        }
        tensors = {"losses": self._losses}
        for prefix, part in parts.items():
            tensors |= prefixed(prefix, part)
        members = [[list(member.subset), member.seed] for member in self._members]
        return {"members": members, "clock": self._clock, "place": self._feed.place()}, tensors

    def restore(self, state: State) -> None:
        """Bring a fresh ensemble of the same members to a state."""
        header, tensors = state
        device = self._losses.device
        with torch.no_grad():
            for name, value in unprefixed("weights.", tensors).items():
                self._weights[name].copy_(value)
        self._best = {name: value.to(device, copy=True) for name, value in unprefixed("best.", tensors).items()}
        restore_optimizer(self._optimizer, unprefixed("optimizer.", tensors))
        for number, losses in unprefixed("history.", tensors).items():
            self._members[int(number)].history = History(losses.numpy())
        self._losses, self._clock = tensors["losses"].to(device, copy=True), header["clock"]
        self._feed.go_to(header["place"])

    def _advance(self) -> list[int]:
        """Take steps until some members end an epoch, and return those that stop; all share the seconds equally."""
        start = time.perf_counter()
        self._step()
        while not len(ended := self._feed.at_epoch_end()):
            self._step()
        stopped = self._judge(ended)
        self._clock += (time.perf_counter() - start) / len(self._members)
        return stopped

    def _step(self) -> None:
        index, share = self._feed.take()
        flat = index.flatten()
        outputs = self._layout.call(self._weights, folded(select(self._data.train.inputs, flat), index.shape))
        losses = self._data.losses(outputs, self._data.train.targets[flat]).reshape(*index.shape, -1)
        means = torch.bmm(share[:, None].to(losses.dtype), losses)[:, 0]
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
        fresh = optimizer_of(self._weights.values(), self._options)
        self._optimizer = keep_members(self._optimizer, fresh, numbers)

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
