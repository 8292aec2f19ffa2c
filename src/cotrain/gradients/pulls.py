"""Where each task pulls at the base model: the gradients of the tasks' mean training losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.func import functional_call

from cotrain.gradients.bases.directions import Directions, weight_of
from cotrain.gradients.bases.parts import Part, RankOne
from cotrain.gradients.inference import inference
from cotrain.gradients.parameters import Shapes
from cotrain.gradients.row_gradient import matrix_shape
from cotrain.problem.losses import row_losses, split_outputs
from cotrain.problem.rows import Rows
from cotrain.problem.task import Task
from cotrain.seeding import seeded

_MOST_GRADIENTS = 200_000
_BATCH = 256


def task_pulls(
    network: nn.Module, tasks: Sequence[Task], rows: Rows, shapes: Shapes, *, wanted: Sequence[int] | None = None
) -> dict[str, Tensor]:
    """Return the gradient ``(tasks, *shape)`` of every task's mean loss, or those at some positions, by parameter.

    Cost: a forward pass over the rows and a backward pass for every task; beyond 200,000 pairs of a row and a task an
    even share of the rows stands for all.
    """
    step = -(-len(rows) * len(tasks) // _MOST_GRADIENTS)
    home = next(network.parameters()).device
    used = rows.take(torch.arange(0, len(rows), step))
    share = used.observed.sum(dim=0).clamp_min(1).to(home)
    positions = range(len(tasks)) if wanted is None else wanted
    with inference(network), torch.enable_grad():
        leaves = {name: network.get_parameter(name).detach().clone().requires_grad_() for name in shapes}
        pulls = {name: torch.zeros(len(positions), *shape, device=home) for name, shape in shapes.items()}
        for index in torch.split(torch.arange(len(used)), _BATCH):
            _add(pulls, network, tasks, leaves, used.take(index).to(home), share, positions)
    return pulls


def _add(
    pulls: Mapping[str, Tensor],
    network: nn.Module,
    tasks: Sequence[Task],
    leaves: dict[str, Tensor],
    rows: Rows,
    share: Tensor,
    positions: Sequence[int],
) -> None:
    parts = split_outputs(tasks, functional_call(network, leaves, (rows.inputs,)))
    for place, position in enumerate(positions):
        task = tasks[position]
        own = {task.name: parts[task.name]}
        loss = row_losses([task], own, rows.targets[:, position, None]).sum() / share[position]
        found = torch.autograd.grad(loss, list(leaves.values()), retain_graph=True, allow_unused=True)
        for name, gradient in zip(leaves, found, strict=True):
            if gradient is not None:
                pulls[name][place] += gradient


def pull_directions(pulls: Mapping[str, Tensor], shapes: Shapes, *, rank: int) -> Directions:
    """Return the pulls as directions of rank one, ``rank`` for each: the leading ones of every weight with its bias."""
    groups: dict[str, list[str]] = {}
    for name in shapes:
        groups.setdefault(weight_of(name, shapes), []).append(name)
    parts: dict[str, Part] = {}
    for names in groups.values():
        matrices = [pulls[name].reshape(-1, *matrix_shape(shapes[name])) for name in names]
        left, right = _leading_pairs(torch.cat(matrices, dim=2), rank)
        sides = torch.split(right, [matrix.shape[2] for matrix in matrices])
        parts |= {name: RankOne(left, side) for name, side in zip(names, sides, strict=True)}
    return Directions(shapes, {name: parts[name] for name in shapes})


def _leading_pairs(matrices: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Return ``left (o, n * rank)`` and ``right (i, n * rank)`` of matrices ``(n, o, i)``."""
    with seeded(0, "pulls"):
        left, sizes, right = torch.svd_lowrank(matrices, q=min(rank, *matrices.shape[1:]), niter=4)
    pairs = (left * sizes[:, None, :], right)
    padded = [F.pad(side, (0, rank - side.shape[2])).movedim(1, 0).flatten(1) for side in pairs]
    return padded[0], padded[1]
