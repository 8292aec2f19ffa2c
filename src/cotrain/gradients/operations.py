"""What paths cost, in operations counted on a few rows, and which of them is the cheaper one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from cotrain.gradients.bases.basis import Basis
from cotrain.gradients.paths.forward import ForwardPath
from cotrain.gradients.paths.path import Path
from cotrain.problem.rows import Rows
from cotrain.seeding import generator

_DISPATCH = 2e8
"""Operations in whose time torch.func sets up its passes."""


@dataclass(frozen=True)
class Operations:
    """Multiplications and additions of matrix products: for a micro-batch, for every row, for every row and task."""

    batch: float = 0.0
    row: float = 0.0
    row_task: float = 0.0

    def total(self, rows: int, tasks: int) -> float:
        """Return those of a micro-batch of ``rows`` whose labels ``tasks`` share."""
        return self.batch + rows * (self.row + tasks * self.row_task)


@dataclass(frozen=True)
class Comparison:
    """The forward path against the paths that take one task after the other.

    Parameters
    ----------
    forward
        Operations of the forward path; none where it fails.
    by_task
        Operations of the others.
    reason
        Why the forward path fails.
    """

    forward: Operations | None
    by_task: Operations
    reason: str = ""

    def forward_pays(self, rows: int, tasks: int) -> bool:
        """Whether the forward path is right and cheaper for rows whose labels ``tasks`` share."""
        return self.forward is not None and self.forward.total(rows, tasks) < self.by_task.total(rows, tasks)

    def __str__(self) -> str:
        if self.forward is None:
            return f"forward mode fails, {self.reason}"
        return f"{self.forward.row:.3g} operations a row, {self.by_task.row_task:.3g} for every row and task without it"


def compare(
    forward: ForwardPath, paths: Sequence[Path], weights: Tensor, basis: Basis, rows: Rows, *, tolerance: float
) -> Comparison:
    """Run a few rows through both, forward mode along two directions, and count.

    Parameters
    ----------
    forward
        The candidate.
    paths
        Others, proven, opened for one margin: the sum of all with ``weights (tasks,)``.
    weights, basis
        What they were opened with.
    rows
        The few rows.
    tolerance
        Largest relative difference of derivatives.
    """
    by_task, features = _by_task(paths, basis, rows, weights)
    w = torch.randn(2, basis.dimension, generator=generator(0, "forward")).to(features)
    try:
        operations, found = _forward(forward, w, weights, rows)
    except (RuntimeError, ValueError, TypeError, NotImplementedError) as error:
        return Comparison(None, by_task, str(error).strip().splitlines()[0])
    true = features @ w.T
    if not bool((found - true).norm() <= tolerance * true.norm()):
        return Comparison(None, by_task, "its derivatives differ from gradients")
    return Comparison(operations, by_task)


def _by_task(paths: Sequence[Path], basis: Basis, rows: Rows, weights: Tensor) -> tuple[Operations, Tensor]:
    starting, passes = _counted(lambda: [path.start(rows.inputs, rows.targets, several=True) for path in paths])
    raw = weights.new_zeros(len(rows), basis.raw_dimension)

    def coordinates() -> Tensor:
        for each in passes:
            each.add(raw, 0)
        return basis.finish(raw)

    task, features = _counted(coordinates)
    return Operations(row=starting / len(rows), row_task=task / len(rows)), features


def _forward(path: ForwardPath, w: Tensor, weights: Tensor, rows: Rows) -> tuple[Operations, Tensor]:
    every, few = range(len(weights)), len(w)
    started = path.start(rows.inputs, rows.targets)
    found = weights.new_zeros(len(weights), len(rows), few)
    lifting, _ = _counted(lambda: torch.vmap(path.basis.lift)(w))
    moving, _ = _counted(lambda: started.add_along(found, w, every))
    scale = path.basis.dimension / few
    operations = Operations(batch=_DISPATCH + scale * lifting, row=scale * (moving - lifting) / len(rows))
    return operations, torch.einsum("tnk,t->nk", found, weights)


def _counted(work: Callable[[], Any]) -> tuple[int, Any]:
    with FlopCounterMode(display=False) as counter:
        result = work()
    return counter.get_total_flops(), result
