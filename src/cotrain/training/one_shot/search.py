"""The search of differentiable grouping: branches and logits trained in turn."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from numpy.typing import NDArray
from torch import Tensor, nn

from cotrain import checks
from cotrain.execution.threads import threads
from cotrain.problem.options import TrainingOptions
from cotrain.problem.rows import Rows
from cotrain.problem.task import Subset
from cotrain.seeding import generator, seeded
from cotrain.training.balancing.backward import task_losses, task_weights
from cotrain.training.checkpoint import State
from cotrain.training.evaluation import mean_losses
from cotrain.training.flops import flops_per_row
from cotrain.training.history import History, refuse_divergence
from cotrain.training.loop import threads_for
from cotrain.training.optimizer import optimizer_of, optimizer_state, restore_optimizer
from cotrain.training.precision import descend, mixed, scaler_of
from cotrain.training.run import Run
from cotrain.training.subset_data import SubsetData, batches
from cotrain.training.tensor_file import prefixed, unprefixed

NEVER = 1e-40
HEAD_START = 1.0
"""Logit of the branch that a task starts in, where groups to start from are given."""


@dataclass(frozen=True)
class SearchOptions:
    """How differentiable grouping searches.

    Parameters
    ----------
    epochs
        Of the search.
    warmup
        Epochs at its beginning in which every branch counts alike for every task.
    first_temperature, last_temperature
        Of the relaxed choice: it falls geometrically.
    rate
        Of the logits' own optimizer (Adam).
    sure
        A task is fixed in a branch that it chooses with more than this probability.
    level
        Whether a branch's lead over another counts only as far as it differs between tasks. Without, as published, a
        branch that learns faster than the others tends to draw all tasks.
    """

    epochs: int = 50
    warmup: int = 10
    first_temperature: float = 2.5
    last_temperature: float = 0.2
    rate: float = 0.02
    sure: float = 0.95
    level: bool = True

    def __post_init__(self) -> None:
        for name in ("epochs", "warmup"):
            checks.at_least(name, getattr(self, name), 0)
        for name in ("first_temperature", "last_temperature"):
            checks.at_least(name, getattr(self, name), 1e-3)
        checks.at_least("rate", self.rate, 0.0)
        checks.within("sure", self.sure, 0.5, 1.0)

    def temperature(self, epoch: int) -> float:
        """Return the temperature of an epoch."""
        share = epoch / max(1, self.epochs - 1)
        return float(self.first_temperature ** (1 - share) * self.last_temperature**share)


class Search:
    """Trains branches on training rows and the logits between them on validation rows, at a constant learning rate.

    Parameters
    ----------
    branches
        Networks for all tasks; trained in place.
    data
        Of all tasks.
    training, options
        How branches train, and how the search goes.
    seed
        Of batches and choices.
    """

    def __init__(
        self,
        branches: nn.ModuleList,
        data: SubsetData,
        training: TrainingOptions,
        options: SearchOptions,
        seed: int,
    ) -> None:
        self.branches, self._data, self._training = branches, data, training
        self._options = options
        device = data.label_weights.device
        self._weights = task_weights(data)
        self.logits = torch.zeros(len(data.tasks), len(branches), device=device, requires_grad=True)
        self._open = torch.ones(len(data.tasks), len(branches), dtype=torch.bool, device=device)
        self._chooser = torch.optim.Adam([self.logits], lr=options.rate)
        optimizer = optimizer_of(branches.parameters(), training)
        names = tuple(task.name for task in data.tasks)
        self._run = Run(names, seed, branches, optimizer, scaler=scaler_of(training, device))
        self._flops = flops_per_row(branches[0], data, training.batch_size)
        self.flops, self.steps = 0.0, 0

    def start_from(self, groups: Sequence[Subset]) -> None:
        """Give tasks of each group a head start in one branch."""
        names = self._run.subset
        with torch.no_grad():
            for branch, group in enumerate(groups):
                self.logits[[names.index(name) for name in group], branch] += HEAD_START

    @property
    def history(self) -> History:
        """What was to be expected of each task after each epoch: validation losses under its chances then."""
        return self._run.history

    @property
    def seconds(self) -> float:
        """Spent so far."""
        return self._run.seconds

    @property
    def finished(self) -> bool:
        """Whether all epochs are over."""
        return len(self.history) >= self._options.epochs

    def advance(self) -> None:
        """Search for an epoch; after the last, branches go back to where the expected validation loss was best.

        Raises
        ------
        DivergedError
            When a loss is not finite.
        """
        start = time.perf_counter()
        work, epoch = self._flops.step * self._training.batch_size, len(self.history)
        with threads(threads_for(work)), seeded(self._run.seed, "search", epoch):
            self._epoch(epoch)
            self._judge()
        if epoch >= self._options.warmup:
            self._prune()
        if self.finished:
            self.branches.load_state_dict(self._run.best)
        self._run.seconds += time.perf_counter() - start

    def state(self) -> State:
        """Return all it needs to go on as if it had never been interrupted."""
        header, tensors = self._run.state()
        tensors |= {"logits": self.logits, "open": self._open} | prefixed("chooser.", optimizer_state(self._chooser))
        return {**header, "steps": self.steps, "flops": self.flops}, tensors

    def restore(self, state: State) -> None:
        """Bring a fresh search to a state."""
        header, tensors = state
        self._run.restore(state)
        self.steps, self.flops = header["steps"], header["flops"]
        with torch.no_grad():
            self.logits.copy_(tensors["logits"])
        self._open = tensors["open"].to(self._open.device)
        restore_optimizer(self._chooser, unprefixed("chooser.", tensors))

    def probabilities(self) -> NDArray[np.float64]:
        """Return ``(tasks, branches)``, next to nothing where a choice is no longer open."""
        found: NDArray[np.float64] = torch.softmax(self._masked().detach().double(), dim=1).cpu().numpy()
        return found.clip(min=NEVER)

    def _epoch(self, epoch: int) -> None:
        total, size = self._weights.new_zeros(()), self._training.batch_size
        judged = self._validation_batches(epoch)
        for number, index in enumerate(batches(len(self._data.train), size, self._run.seed, epoch)):
            batch = self._data.train.take(index.to(self._weights.device))
            self._run.optimizer.zero_grad()
            loss = self._loss(batch, self._choice(epoch).detach())
            torch.autograd.backward(loss)
            descend(self._run.optimizer, self._training, self._run.scaler)
            self.steps += 1
            self.flops += len(batch) * self._flops.step * self._in_use()
            total += loss.detach()
            if epoch >= self._options.warmup:
                self._choose(judged[number % len(judged)], epoch)
        refuse_divergence(self._run.subset, epoch, total.item())

    def _choose(self, index: Tensor, epoch: int) -> None:
        """Take a step with the logits, on validation rows."""
        batch = self._data.validation.take(index.to(self._weights.device))
        with torch.no_grad():
            losses = self._losses(batch, training=False)
        loss = (self._choice(epoch) * losses).sum(dim=1).mean()
        self._chooser.zero_grad()
        torch.autograd.backward(loss)
        self._chooser.step()
        self.flops += len(batch) * self._flops.forward * self._in_use()

    def _loss(self, batch: Rows, choice: Tensor) -> Tensor:
        return (choice * self._losses(batch)).sum(dim=1).mean()

    def _judge(self) -> None:
        """Note the validation losses to be expected, and the branches where they are the best so far."""
        rows, chances = self._data.validation, self.probabilities()
        expected = np.zeros(len(self._data.tasks))
        for number in self._open.any(dim=0).nonzero().flatten().tolist():
            expected += chances[:, number] * mean_losses(self.branches[number], self._data.tasks, rows)
        self.flops += len(rows) * self._flops.forward * self._in_use()
        judged = rows.observed.any(dim=0).cpu().numpy()
        refuse_divergence(self._run.subset, len(self.history), *expected[judged])
        if self.history.add(expected):
            self._run.best = {name: value.clone() for name, value in self.branches.state_dict().items()}

    def _losses(self, batch: Rows, *, training: bool = True) -> Tensor:
        """Return ``(tasks, branches)``; zero for branches no longer in use."""
        used, columns = self._open.any(dim=0).tolist(), []
        for branch, use in zip(self.branches, used, strict=True):
            if use:
                outputs = mixed(branch.train(training), self._training, self._run.scaler)(batch.inputs)
                columns.append(task_losses(self._data, outputs, batch.targets) * self._weights)
            else:
                columns.append(self._weights.new_zeros(len(self._weights)))
        return torch.stack(columns, dim=1)

    def _choice(self, epoch: int) -> Tensor:
        """Return a relaxed choice ``(tasks, branches)``: uniform while warming up, then sampled."""
        if epoch < self._options.warmup:
            return self._open / self._open.sum(dim=1, keepdim=True)
        return F.gumbel_softmax(self._masked(), tau=self._options.temperature(epoch), dim=1)

    def _masked(self) -> Tensor:
        logits = self.logits - self.logits.mean(dim=0) if self._options.level else self.logits
        return logits.masked_fill(~self._open, -1e9)

    def _prune(self) -> None:
        """Fix tasks that are sure of their branch."""
        chances = torch.softmax(self._masked().detach(), dim=1)
        best = chances.argmax(dim=1)
        for task in (chances.max(dim=1).values > self._options.sure).nonzero().flatten().tolist():
            self._open[task] = False
            self._open[task, best[task]] = True

    def _in_use(self) -> int:
        return int(self._open.any(dim=0).sum())

    def _validation_batches(self, epoch: int) -> tuple[Tensor, ...]:
        rows = len(self._data.validation)
        order = torch.randperm(rows, generator=generator(self._run.seed, "judged", epoch))
        return torch.split(order, self._training.batch_size)
