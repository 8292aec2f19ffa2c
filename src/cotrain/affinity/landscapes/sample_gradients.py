"""Gradients of the losses of single rows, sketched: what each row would have the shared parameters do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from cotrain.affinity.landscapes.cauchy_sketch import CauchySketch, l1_norms
from cotrain.affinity.landscapes.sample_distances import RowSketches
from cotrain.gradients.engine import Engine
from cotrain.problem.losses import row_losses, split_outputs
from cotrain.problem.rows import Inputs, Rows
from cotrain.problem.task import Task


@dataclass(frozen=True, eq=False)
class SampleGradients:
    r"""Sketched gradients of one task's row losses, :math:`g_k = \sum_c \partial\ell / \partial z_{kc} \; J_{kc}`.

    Labels enter through the outer derivative alone, so that other labels for the same rows cost next to nothing.

    Parameters
    ----------
    task
        Whose losses.
    index
        ``(n,)``: which rows of the split.
    outputs
        ``(n, columns)``: outputs ``z`` of the network.
    targets
        ``(n,)``: labels.
    jacobian
        ``(n, columns, d)``: sketched gradients of the outputs.
    scale
        Factor of all gradients.
    """

    task: Task
    index: Tensor
    outputs: Tensor
    targets: Tensor
    jacobian: Tensor
    scale: float = 1.0

    def sketches(self) -> RowSketches:
        """Return the sketched gradients."""
        outputs = self.outputs.detach().requires_grad_()
        with torch.enable_grad():
            losses = row_losses([self.task], outputs, self.targets[:, None])
        (slopes,) = torch.autograd.grad(losses.sum(), outputs)
        return RowSketches(self.index, self.scale * torch.einsum("nc,ncd->nd", slopes, self.jacobian))

    def normalised(self) -> SampleGradients:
        """Return the gradients divided by their mean L1 norm."""
        norm = float(l1_norms(self.sketches().vectors).mean())
        return replace(self, scale=self.scale / norm) if norm else self

    def with_labels(self, targets: Tensor) -> SampleGradients:
        """Return the gradients under other labels."""
        return replace(self, targets=targets)

    def shuffled(self, stream: torch.Generator) -> SampleGradients:
        """Return the gradients under labels that have nothing to do with their rows."""
        return self.with_labels(self.targets[torch.randperm(len(self.targets), generator=stream)])

    def opposite(self) -> SampleGradients:
        """Return the gradients of the negated task; of another kind than binary, the same ones."""
        return self.with_labels(1 - self.targets) if self.task.kind == "binary" else self


def sketched_outputs(
    network: nn.Module, task: Task, inputs: Inputs, parameters: Sequence[str], *, dim: int, seed: int
) -> tuple[Tensor, Tensor]:
    """Return outputs ``(n, columns)`` of a network for one task and sketches ``(n, columns, dim)`` of their gradients.

    Cost: a backward pass per row and column and ``2 p dim`` operations to sketch it; a micro-batch of gradients is
    all that is ever held in full.
    """
    columns = _Columns(network, task)
    tasks = [Task(str(number), "regression") for number in range(task.width)]
    home = next(network.parameters())
    count = len(inputs if isinstance(inputs, Tensor) else next(iter(inputs.values())))
    rows = Rows(inputs, torch.zeros(count, task.width, dtype=home.dtype)).to(home.device)
    shapes = {f"network.{name}": tuple(network.get_parameter(name).shape) for name in parameters}
    engine = Engine(columns, tasks, CauchySketch(shapes, dimension=dim, seed=seed), rows)
    blocks = [
        engine.run(rows.take(block), range(task.width))
        for block in torch.split(torch.arange(count), engine.micro_batch)
    ]
    outputs = torch.cat([torch.stack([column.offset for column in block], dim=1) for block in blocks])
    sketches = torch.cat([torch.stack([column.features for column in block], dim=1) for block in blocks])
    return outputs.cpu(), sketches.cpu()


class _Columns(nn.Module):
    """Each output column of a task as an output of its own: the residual of a regression whose target is zero."""

    def __init__(self, network: nn.Module, task: Task) -> None:
        super().__init__()
        self.network, self._task = network, task

    def forward(self, inputs: Inputs) -> Tensor:
        output = split_outputs([self._task], self.network(inputs))[self._task.name]
        return output.reshape(len(output), self._task.width)
