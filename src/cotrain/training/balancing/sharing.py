"""Which of a network's weights several tasks share."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cotrain.problem.losses import output_columns, split_outputs
from cotrain.problem.rows import Inputs
from cotrain.problem.task import Task
from cotrain.seeding import seeded


def trained(network: nn.Module) -> list[nn.Parameter]:
    """Return the parameters that train, in their order."""
    return [parameter for parameter in network.parameters() if parameter.requires_grad]


def shared_numbers(network: nn.Module, tasks: Sequence[Task], inputs: Inputs) -> Tensor:
    """Return where, in all trained parameters end to end, the outputs of more than one task depend on a number.

    A head of its own is not shared. Nor is a matrix with one row per output column in which every task reaches its own
    rows only, as all heads in one linear layer are.

    Parameters
    ----------
    network
        Returns outputs for ``tasks``.
    tasks
        In the order of the outputs.
    inputs
        A few rows.

    Examples
    --------
    >>> network = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2))
    >>> shared = shared_numbers(network, [Task("a"), Task("b")], torch.ones(1, 2))
    >>> shared.nonzero().flatten().tolist() == list(range(2 * 3 + 3))
    True
    """
    parameters = trained(network)
    with seeded(0, "sharing"):
        outputs = split_outputs(tasks, network(inputs))
    reached = [
        torch.autograd.grad(outputs[task.name].sum(), parameters, retain_graph=True, allow_unused=True)
        for task in tasks
    ]
    parts = []
    for parameter, *gradients in zip(parameters, *reached, strict=True):
        several = sum(gradient is not None for gradient in gradients) > 1
        several = several and not _by_rows(tasks, parameter, gradients)
        parts.append(torch.full((parameter.numel(),), several, device=parameter.device))
    return torch.cat(parts)


def _by_rows(tasks: Sequence[Task], parameter: Tensor, gradients: Sequence[Tensor | None]) -> bool:
    """Whether the parameter has one row per output column, of which each task reaches its own only."""
    if len(parameter) != sum(task.width for task in tasks) or parameter.dim() > 2:
        return False
    columns = output_columns(tasks)
    for task, gradient in zip(tasks, gradients, strict=True):
        if gradient is not None:
            others = gradient.clone()
            others[columns[task.name]] = 0.0
            if bool(others.any()):
                return False
    return True
