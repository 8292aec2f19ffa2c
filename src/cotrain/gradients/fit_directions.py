"""Which directions serve fits to some rows: along which fits of task subsets move, and along which rows differ."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from cotrain.gradients.task_gradients import TaskGradients
from cotrain.seeding import generator

_FITS = 100
_RIDGES = (1e-1, 1e-2, 1e-3)


def fit_directions(rows: Sequence[TaskGradients], pulls: Tensor, *, dimension: int, seed: int) -> Tensor:
    """Return at most ``dimension`` orthonormal directions as columns.

    The gradient of a task's mean loss, its pull, is small beside the gradients of its rows, and a fit of a subset
    starts along the pulls of its tasks: principal directions of the rows alone would miss it. So half of the directions
    are the principal ones of the Newton steps of some random subsets, the rest those of what is left of the rows.

    Parameters
    ----------
    rows
        Some rows of every task.
    pulls
        ``(tasks, d)``: gradients of the tasks' mean losses, of all rows.
    dimension
        The most directions.
    seed
        Of the subsets.
    """
    chosen = _leading(_newton_steps(rows, pulls.double(), seed), dimension // 2)
    features = torch.cat([task.features for task in rows]).double()
    rest = _leading(features - features @ chosen @ chosen.T, dimension - chosen.shape[1])
    return torch.cat([chosen, rest], dim=1)


def _newton_steps(rows: Sequence[TaskGradients], pulls: Tensor, seed: int) -> Tensor:
    """Return steps of length one for random subsets of at most half of the tasks, and ridges relative to the trace.

    Rows are fewer than coordinates, so Hessians ``R' R`` are inverted by ``R R'``.
    """
    roots = [_curvature_root(task) for task in rows]
    owners = torch.arange(len(rows)).repeat_interleave(torch.tensor([len(root) for root in roots]))
    root = torch.cat(roots)
    gram, along = root @ root.T, root @ pulls.T
    spread = gram.trace() / len(rows)
    steps = []
    for subset in _random_subsets(len(rows), seed):
        own = torch.isin(owners, torch.tensor(subset)).to(root.device)
        inner, slope = gram[own][:, own] / len(subset), along[own][:, subset].mean(dim=1)
        for ridge in _RIDGES:
            pushed = torch.linalg.solve(inner + ridge * spread * torch.eye(len(inner)).to(inner), slope)
            steps.append(pulls[subset].mean(dim=0) - root[own].T @ pushed / len(subset))
    return F.normalize(torch.stack(steps))


def _random_subsets(tasks: int, seed: int) -> list[list[int]]:
    stream, drawn = generator(seed, "fits"), []
    for _ in range(_FITS):
        size = int(torch.randint(1, tasks // 2 + 2, (), generator=stream))
        drawn.append(torch.randperm(tasks, generator=stream)[:size].tolist())
    return drawn if tasks > 1 else drawn[:1]


def _curvature_root(rows: TaskGradients) -> Tensor:
    """Return ``R`` where ``R' R`` is the Hessian of the mean loss of the rows."""
    features, chance = rows.features.double(), rows.offset.double().sigmoid()
    weight = chance * (1 - chance) if rows.loss == "logistic" else torch.full_like(chance, 2.0)
    root: Tensor = features * (weight / len(rows)).sqrt()[:, None]
    return root


def _leading(rows: Tensor, most: int) -> Tensor:
    """Return up to ``most`` principal directions of ``rows`` as columns, without centring."""
    _, sizes, directions = torch.linalg.svd(rows, full_matrices=False)
    kept = int((sizes[:most] > 1e-6 * sizes[0]).sum())
    leading: Tensor = directions[:kept].T
    return leading
