"""Loss weightings by name."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from cotrain.errors import MissingExtraError
from cotrain.training.balancing.gradnorm import GradNorm


class Weighting(nn.Module):
    """Turns the tasks' losses into weights with a mean of about one: equal ones here."""

    resumable = True

    def forward(self, losses: Tensor, norms: Callable[[], Tensor]) -> Tensor:  # noqa: ARG002 - for those that need it
        """Return the weight of each task in this batch.

        Parameters
        ----------
        losses
            ``(tasks,)``, without gradients.
        norms
            Returns the norms of the tasks' gradients at the last shared layer.
        """
        return torch.ones_like(losses)

    def end_epoch(self) -> None:
        """Hear that an epoch is over."""


class Scalarized(Weighting):
    """A scalarizer of TorchJD's: its gradient with respect to the losses are the weights.

    Parameters
    ----------
    scalarizer
        Maps losses to a number. Parameters of its own receive gradients.
    factor
        Makes its weights have a mean of one.
    """

    def __init__(self, scalarizer: nn.Module, *, factor: float = 1.0) -> None:
        super().__init__()
        self.scalarizer, self.factor = scalarizer, factor
        self.resumable = not hasattr(scalarizer, "step")

    def forward(self, losses: Tensor, norms: Callable[[], Tensor]) -> Tensor:  # noqa: ARG002
        """Return the weights, and put gradients into the scalarizer's parameters."""
        values = losses.clone().requires_grad_()
        torch.autograd.backward(self.scalarizer(values) * self.factor)
        weights = values.grad
        return torch.zeros_like(losses) if weights is None else weights

    def end_epoch(self) -> None:
        """Let a scalarizer that counts epochs know."""
        step = getattr(self.scalarizer, "step", None)
        if step is not None:
            step()


class GradNormWeighting(Weighting):
    """GradNorm as a weighting."""

    def __init__(self, tasks: int) -> None:
        super().__init__()
        self.gradnorm = GradNorm(tasks)

    def forward(self, losses: Tensor, norms: Callable[[], Tensor]) -> Tensor:
        """Return the weights, after a look at the norms."""
        weights: Tensor = self.gradnorm(losses, norms())
        return weights


def weighting_of(name: str, tasks: int) -> Weighting:
    """Return a fresh weighting by name.

    Uncertainty weighting (Kendall et al. 2018), dynamic weight averaging (Liu et al. 2019) and random weights (Lin et
    al. 2022) are TorchJD's, scaled to a mean of about one: the learning rate means the same under all of them.

    Raises
    ------
    MissingExtraError
        When TorchJD is needed and not installed.
    """
    if name == "equal":
        return Weighting()
    if name == "gradnorm":
        return GradNormWeighting(tasks)
    try:
        from torchjd import scalarization
    except ImportError as error:
        raise MissingExtraError(f"the loss weighting '{name}'", extra="aggregation") from error
    if name == "uncertainty":
        return Scalarized(scalarization.UW(tasks), factor=2.0)
    if name == "dwa":
        return Scalarized(scalarization.DWA())
    return Scalarized(scalarization.Random(), factor=float(tasks))
