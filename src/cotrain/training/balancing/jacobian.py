"""Weighs tasks and resolves conflicts between their gradients where they share weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cotrain.errors import DivergedError, InputError, MissingExtraError
from cotrain.problem.rows import Rows
from cotrain.training.balancing.aggregators import Aggregation
from cotrain.training.balancing.backward import Backward, task_losses, task_weights
from cotrain.training.balancing.sharing import trained
from cotrain.training.balancing.weighting import Weighting
from cotrain.training.subset_data import SubsetData


class WeightedBackward(Backward):
    """Gradients of the weighted mean loss.

    Parameters
    ----------
    weighting
        Gives the weights.
    shared
        Where the network's trained numbers are shared; see :func:`~cotrain.training.balancing.sharing.shared_numbers`.
    """

    def __init__(self, weighting: Weighting, shared: Tensor) -> None:
        super().__init__()
        self.weighting = weighting
        self._shared = shared
        self.resumable = weighting.resumable

    def forward(self, network: nn.Module, data: SubsetData, batch: Rows) -> Tensor:
        """Set the gradients for one batch and return the weighted mean loss."""
        losses = task_losses(data, network(batch.inputs), batch.targets)
        loss = (self._weights(network, data, losses) * losses).mean()
        torch.autograd.backward(loss)
        return loss.detach()

    def end_epoch(self) -> None:
        """Let the weighting know."""
        self.weighting.end_epoch()

    def _weights(self, network: nn.Module, data: SubsetData, losses: Tensor) -> Tensor:
        own = task_weights(data)
        weights: Tensor = self.weighting((losses * own).detach(), lambda: self._norms(network, losses * own))
        return weights * own

    def _norms(self, network: nn.Module, losses: Tensor) -> Tensor:
        """Return the norms of the losses' gradients at the last shared matrix."""
        last = self._last_shared(network)
        gradients = [
            torch.autograd.grad(loss, last, retain_graph=True, allow_unused=True)[0] for loss in losses.unbind()
        ]
        return torch.stack([losses.new_zeros(()) if own is None else own.norm() for own in gradients])

    def _last_shared(self, network: nn.Module) -> nn.Parameter:
        parameters = trained(network)
        parts = torch.split(self._shared, [parameter.numel() for parameter in parameters])
        shared = [own for own, part in zip(parameters, parts, strict=True) if bool(part.any()) and own.dim() > 1]
        if not shared:
            raise InputError("`weighting` must not be 'gradnorm' where tasks share no matrix of weights. Found none.")
        return shared[-1]


class JacobianBackward(WeightedBackward):
    """Aggregated gradients where weights are shared, and each task's own elsewhere.

    A task without a label in the batch has no say in its step.

    Parameters
    ----------
    weighting
        Gives the weights; where the aggregator takes priorities, these are they.
    shared
        Where the network's trained numbers are shared.
    aggregation
        Makes one gradient of several.
    """

    def __init__(self, weighting: Weighting, shared: Tensor, aggregation: Aggregation) -> None:
        super().__init__(weighting, shared)
        self.aggregation = aggregation
        self._remembers = aggregation.remembers
        self.resumable = weighting.resumable and not self._remembers

    def forward(self, network: nn.Module, data: SubsetData, batch: Rows) -> Tensor:
        """Set the gradients for one batch and return the weighted mean loss."""
        losses = task_losses(data, network(batch.inputs), batch.targets)
        weights = self._weights(network, data, losses)
        present = batch.observed.any(dim=0)
        if self._remembers and not bool(present.all()):
            self._refuse_absence(data, present)
        jacobian = _jacobian(losses[present], trained(network))
        gradient = (weights[present, None] * jacobian).sum(dim=0) / len(losses)
        gradient[self._shared] = self._aggregate(jacobian[:, self._shared], weights[present])
        _put(gradient, trained(network), data)
        return (weights * losses).mean().detach()

    def _aggregate(self, jacobian: Tensor, weights: Tensor) -> Tensor:
        prioritise = getattr(self.aggregation.aggregator, "prioritise", None)
        if prioritise is None:
            return self._called(weights[:, None] * jacobian)
        prioritise(weights)
        return self._called(jacobian)

    def _called(self, jacobian: Tensor) -> Tensor:
        try:
            gradient: Tensor = self.aggregation(jacobian)
        except ImportError as error:
            raise MissingExtraError("this gradient aggregation", extra="aggregation") from error
        return gradient

    def _refuse_absence(self, data: SubsetData, present: Tensor) -> None:
        absent = [task.name for task, there in zip(data.tasks, present.tolist(), strict=True) if not there]
        raise InputError(
            "`aggregation` remembers earlier steps of every task and needs all tasks in every batch. Found a batch "
            f"without {', '.join(absent)}: raise `batch_size` or choose another aggregation."
        )


def _jacobian(losses: Tensor, parameters: list[nn.Parameter]) -> Tensor:
    """Return ``(losses, numbers)``: a gradient of each loss, zero where it does not depend on a number.

    One backward pass each, not a batched one, which some networks refuse.
    """
    rows = []
    for loss in losses.unbind():
        gradients = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
        own = [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, gradients, strict=True)]
        rows.append(torch.cat([part.flatten() for part in own]))
    return torch.stack(rows)


def _put(gradient: Tensor, parameters: list[nn.Parameter], data: SubsetData) -> None:
    if not bool(gradient.isfinite().all()):
        names = ", ".join(task.name for task in data.tasks)
        raise DivergedError(
            f"Training on {names} diverged: the aggregated gradient is not finite. Lower `learning_rate`, set "
            "`clip_norm` or choose another `aggregation`."
        )
    for parameter, part in zip(parameters, torch.split(gradient, [own.numel() for own in parameters]), strict=True):
        parameter.grad = part.view_as(parameter)
