"""Collect gradients into a store: whatever is stored already is not computed again."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from cotrain.gradients.bases.basis import Basis
from cotrain.gradients.collect import stream
from cotrain.gradients.digests import Origin, network_digest, row_digests
from cotrain.gradients.engine import Engine
from cotrain.gradients.manifest import StoreSpec
from cotrain.gradients.store import GradientStore
from cotrain.problem.problem import Problem, Split
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
    store.spec.require(StoreSpec.of(network, basis, dtype=store.spec.dtype), store.path)
    wanted = [name for name in subset if tasks is None or name in tasks]
    origins = _origins(problem, network, wanted, split)
    for name, (_, origin) in origins.items():
        store.require_origin(split, name, origin)
    size = micro_batch or Engine(network, problem.tasks_of(subset), basis).micro_batch
    home = next(network.parameters()).device
    network.to(device or home)
    try:
        for batch in _missing_batches(store, split, {name: sample for name, (sample, _) in origins.items()}, size):
            part = replace(problem, splits={**problem.splits, split: problem.splits[split].take(batch.sample)})
            for name, rows in stream(
                part, network, subset, split, basis, tasks=batch.tasks, micro_batch=size, device=device
            ):
                found = replace(rows, sample=batch.sample)
                store.append(split, name, batch.rows.start, found, origin=origins[name][1].take(batch.rows))
    finally:
        network.to(home)
    for name in wanted:
        store.merge(split, name)


class _Batch(NamedTuple):
    """Rows of some tasks that one forward pass serves: where they lie among the tasks' rows and in the split."""

    tasks: list[str]
    rows: range
    sample: Tensor


def _origins(
    problem: Problem, network: nn.Module, names: Collection[str], split: Split
) -> dict[str, tuple[Tensor, Origin]]:
    """Return, for each task, which rows of the split have its label, and the origin of those rows."""
    rows = problem.splits[split].columns([problem.names.index(name) for name in names])
    digest, observed = network_digest(network), rows.observed.cpu()
    digests = row_digests(rows)
    samples = {name: observed[:, column].nonzero()[:, 0] for column, name in enumerate(names)}
    return {
        name: (sample, Origin(digest, digests[sample, column])) for column, (name, sample) in enumerate(samples.items())
    }


def _missing_batches(store: GradientStore, split: Split, samples: dict[str, Tensor], size: int) -> Iterator[_Batch]:
    """Cut what is missing at multiples of ``size``, so that a batch is the same in every run; share equal batches."""
    batches: dict[tuple[bytes, range], _Batch] = {}
    for name, sample in samples.items():
        for gap in store.missing(split, name, total=len(sample)):
            for start in range(gap.start - gap.start % size, gap.stop, size):
                rows = range(max(start, gap.start), min(start + size, gap.stop))
                part = sample[rows.start : rows.stop]
                batch = batches.setdefault((part.numpy().tobytes(), rows), _Batch([], rows, part))
                batch.tasks.append(name)
    yield from batches.values()
