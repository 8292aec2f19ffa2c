"""What one step along one task's gradient would do to the shared parameters."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.optim import Optimizer


class Move(Protocol):
    """Turns a gradient of some parameters into the change that a step would bring to them."""

    def __call__(self, gradient: Sequence[Tensor]) -> list[Tensor]:
        """Return one change per parameter."""
        ...


class PlainMove:
    """Steps of plain gradient descent.

    Parameters
    ----------
    rate
        Length of the step per length of the gradient.

    Examples
    --------
    >>> PlainMove(0.1)([torch.tensor([2.0])])
    [tensor([-0.2000])]
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate

    def __call__(self, gradient: Sequence[Tensor]) -> list[Tensor]:
        """Return the gradient times minus the rate."""
        return [-self._rate * part for part in gradient]


class OptimizerMove:
    """Steps of the training's own optimizer, taken by a copy: momentum and second moments of the moment included.

    Parameters
    ----------
    optimizer
        Stays as it is.
    parameters
        Those that have a gradient; all others stay where they are.

    Examples
    --------
    >>> weight = torch.nn.Parameter(torch.tensor([1.0]))
    >>> move = OptimizerMove(torch.optim.SGD([weight], lr=0.5), [weight])
    >>> move([torch.tensor([2.0])]), weight.item()
    ([tensor([-1.])], 1.0)
    """

    def __init__(self, optimizer: Optimizer, parameters: Sequence[Tensor]) -> None:
        self._optimizer = optimizer
        listed = [id(weight) for group in optimizer.param_groups for weight in group["params"]]
        self._places = [listed.index(id(weight)) for weight in parameters]
        self._parameters = parameters

    @torch.no_grad()
    def __call__(self, gradient: Sequence[Tensor]) -> list[Tensor]:
        """Return the change that the optimizer's next step would bring."""
        twin = copy.deepcopy(self._optimizer)
        everything = [weight for group in twin.param_groups for weight in group["params"]]
        own = [everything[place] for place in self._places]
        for weight, part in zip(own, gradient, strict=True):
            weight.grad = part
        twin.step()
        return [moved - weight for moved, weight in zip(own, self._parameters, strict=True)]
