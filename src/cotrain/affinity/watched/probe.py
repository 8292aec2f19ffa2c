"""The losses of a training step at other values of the shared parameters, without a trace in the training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.func import functional_call

from cotrain.seeding import undisturbed
from cotrain.training.callbacks import Step


class Probe:
    """Every task's mean loss over the batch of a step, as a function of the shared parameters.

    It is the forward pass that the step itself is about to make: in train mode, so that normalisation uses the
    statistics of the batch, and with the very dropout mask of the step. All passes start from the same random state;
    running statistics change in copies.

    Parameters
    ----------
    step
        About to be taken.
    shared
        Names of the parameters that may differ from the network's own.

    Attributes
    ----------
    parameters
        The network's own, those that may differ.
    labelled
        ``(tasks,)``: which tasks have a label in the batch.
    """

    def __init__(self, step: Step, shared: Sequence[str]) -> None:
        self._step = step
        self.parameters = {name: step.run.network.get_parameter(name) for name in shared}
        self._labels = step.batch.observed.sum(dim=0)
        self.labelled = self._labels > 0

    def losses(self, moved: Mapping[str, Tensor]) -> Tensor:
        """Return losses ``(tasks,)`` with other values of some parameters; NaN for a task without a label here."""
        network, batch = self._step.run.network, self._step.batch
        buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
        with undisturbed():
            outputs = functional_call(network, {**moved, **buffers}, (batch.inputs,))
        total = self._step.data.losses(outputs, batch.targets).sum(dim=0)
        # Not total / 0 = NaN: it would make the gradients of all other tasks NaN as well.
        return torch.where(self.labelled, total / self._labels.clamp_min(1), torch.nan)

    @torch.no_grad()
    def displaced(self, move: Sequence[Tensor]) -> Tensor:
        """Return losses ``(tasks,)`` after a move of the shared parameters."""
        names = zip(self.parameters.items(), move, strict=True)
        return self.losses({name: value + change for (name, value), change in names})

    def gradient(self, loss: Tensor) -> list[Tensor]:
        """Return the gradient of a loss at the network's own parameters; the graph stays for the next."""
        found = torch.autograd.grad(loss, list(self.parameters.values()), retain_graph=True, materialize_grads=True)
        return list(found)
