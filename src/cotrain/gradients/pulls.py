"""Where each task pulls at the base model: the gradients of the tasks' mean training losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.func import functional_call

from cotrain.gradients.inference import inference
from cotrain.gradients.margins import linear_loss, margin_columns
from cotrain.gradients.parameters import Shapes
from cotrain.problem.rows import Rows
from cotrain.problem.task import Task

_MOST_GRADIENTS = 200_000
_BATCH = 256


def task_pulls(network: nn.Module, tasks: Sequence[Task], rows: Rows, shapes: Shapes) -> dict[str, Tensor]:
    """Return the gradient ``(tasks, *shape)`` of every task's mean loss, by parameter.

    Cost: a forward pass over the rows and a backward pass for every task; beyond 200,000 pairs of a row and a task an
    even share of the rows stands for all.
    """
    step = -(-len(rows) * len(tasks) // _MOST_GRADIENTS)
    home = next(network.parameters()).device
    used = rows.take(torch.arange(0, len(rows), step))
    share = used.observed.sum(dim=0).clamp_min(1).to(home)
    with inference(network), torch.enable_grad():
        leaves = {name: network.get_parameter(name).detach().clone().requires_grad_() for name in shapes}
        pulls = {name: torch.zeros(len(tasks), *shape, device=home) for name, shape in shapes.items()}
        for index in torch.split(torch.arange(len(used)), _BATCH):
            _add(pulls, network, tasks, leaves, used.take(index).to(home), share)
    return pulls


def _add(
    pulls: Mapping[str, Tensor],
    network: nn.Module,
    tasks: Sequence[Task],
    leaves: dict[str, Tensor],
    rows: Rows,
    share: Tensor,
) -> None:
    columns = margin_columns(tasks, functional_call(network, leaves, (rows.inputs,)), rows.targets)
    for position, (task, column) in enumerate(zip(tasks, columns, strict=True)):
        losses = column.square() if linear_loss(task) == "square" else F.softplus(-column)
        loss = (losses * rows.observed[:, position]).sum() / share[position]
        found = torch.autograd.grad(loss, list(leaves.values()), retain_graph=True, allow_unused=True)
        for name, gradient in zip(leaves, found, strict=True):
            if gradient is not None:
                pulls[name][position] += gradient
