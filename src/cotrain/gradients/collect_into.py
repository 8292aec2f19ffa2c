"""Collect gradients into a store: whatever is stored already is not computed again."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from cotrain import checks
from cotrain.errors import InputError
from cotrain.gradients.bases.basis import Basis
from cotrain.gradients.digests import Origin, network_digest, row_digests
from cotrain.gradients.engine import Engine
from cotrain.gradients.manifest import StoreSpec
from cotrain.gradients.margins import linear_loss
from cotrain.gradients.store import GradientStore
from cotrain.gradients.task_gradients import TaskGradients
from cotrain.problem.problem import Problem, Split
from cotrain.problem.rows import Rows
from cotrain.problem.task import Subset


def collect_into(
    store: GradientStore,
    problem: Problem,
    network: nn.Module,
    subset: Subset,
    split: Split,
    basis: Basis,
    *,
    tasks: Collection[str] | None = None,
    micro_batch: int | None = None,
    device: torch.device | str | None = None,
) -> None:
    """Store what :func:`~cotrain.gradients.collect` returns, as far as it is not stored yet.

    Killed at any moment, it loses at most the micro-batch at work; run again, it goes on from there. A problem with
    more rows or more tasks adds only those. With the same micro-batch, neither kills nor the order in which tasks come
    change a single bit of the result.

    Parameters
    ----------
    store
        Made for this network and basis.
    problem, network, subset, split, basis, tasks, micro_batch, device
        As for :func:`~cotrain.gradients.collect`.

    Raises
    ------
    MismatchError
        When the store, or the rows of a task in it, belong to another network, basis or data; names what differs.
    """
    _check(subset, tasks, micro_batch)
    store.spec.require(StoreSpec.of(network, basis, dtype=store.spec.dtype), store.path)
    store.keep_basis(basis)
    rows = problem.gradient_rows(split).columns([problem.names.index(name) for name in subset])
    wanted = _wanted(network, rows, {name: subset.index(name) for name in subset if tasks is None or name in tasks})
    for name, task in wanted.items():
        store.require_origin(split, name, task.origin)
    missing = {name: store.missing(split, name, total=len(task.sample)) for name, task in wanted.items()}
    if not any(missing.values()):
        return
    home = next(network.parameters()).device
    place = torch.device(device or home)
    try:
        engine = Engine(network.to(place), problem.tasks_of(subset), basis, rows)
        losses = {task.name: linear_loss(task) for task in problem.tasks_of(subset)}
        for batch in _batches(wanted, missing, micro_batch or engine.micro_batch):
            results = engine.run(rows.take(batch.sample).to(place), [wanted[name].column for name in batch.tasks])
            for name, found in zip(batch.tasks, results, strict=True):
                stored = TaskGradients(found.features, found.offset, batch.sample, losses[name])
                store.append(split, name, batch.rows.start, stored, origin=wanted[name].origin.take(batch.rows))
    finally:
        network.to(home)
    for name in wanted:
        store.merge(split, name)


def _check(subset: Subset, tasks: Collection[str] | None, micro_batch: int | None) -> None:
    for name in tasks or ():
        checks.one_of("tasks", name, subset)
    if micro_batch is not None:
        checks.at_least("micro_batch", micro_batch, 1)


class _TaskRows(NamedTuple):
    """A task to be stored: its column among the targets, which rows have its label, what they are made from."""

    column: int
    sample: Tensor
    origin: Origin


class _Batch(NamedTuple):
    """Rows of some tasks that one forward pass serves: where they lie among the tasks' rows and in the split."""

    tasks: list[str]
    rows: range
    sample: Tensor


def _wanted(network: nn.Module, rows: Rows, columns: Mapping[str, int]) -> dict[str, _TaskRows]:
    network_now, digests = network_digest(network), row_digests(rows)
    samples = {name: rows.observed[:, column].cpu().nonzero()[:, 0] for name, column in columns.items()}
    empty = [name for name, sample in samples.items() if not len(sample)]
    if empty:
        raise InputError(f"`tasks` must have observed labels in the split. Found none for {empty}: leave them out.")
    return {
        name: _TaskRows(column, samples[name], Origin(network_now, digests[samples[name], column]))
        for name, column in columns.items()
    }


def _batches(wanted: Mapping[str, _TaskRows], missing: Mapping[str, list[range]], size: int) -> Iterable[_Batch]:
    """Cut what is missing at multiples of ``size``, so that a batch is the same in every run; share equal batches."""
    batches: dict[tuple[bytes, range], _Batch] = {}
    for name, gaps in missing.items():
        for gap in gaps:
            for start in range(gap.start - gap.start % size, gap.stop, size):
                rows = range(max(start, gap.start), min(start + size, gap.stop))
                sample = wanted[name].sample[rows.start : rows.stop]
                batch = batches.setdefault((sample.numpy().tobytes(), rows), _Batch([], rows, sample))
                batch.tasks.append(name)
    return batches.values()
