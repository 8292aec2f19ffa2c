"""wPCGrad: when two tasks conflict, their priorities decide whose gradient is projected."""

from __future__ import annotations

import torch
from torch import Tensor
from torchjd.aggregation import GramianWeightedAggregator, Weighting
from torchjd.linalg import PSDMatrix


class WPCGradWeighting(Weighting[PSDMatrix]):
    r"""The weights of :class:`WPCGrad`, from the Gramian alone.

    Parameters
    ----------
    priorities
        ``(tasks,)``, not negative; equal by default.
    both_when_equal
        Whether tasks of equal priority are both projected, which is PCGrad, instead of one of them by the toss of a
        coin.
    """

    def __init__(self, priorities: Tensor | None = None, *, both_when_equal: bool = False) -> None:
        super().__init__()
        self.priorities, self.both_when_equal = priorities, both_when_equal

    def forward(self, gramian: PSDMatrix, /) -> Tensor:
        """Return how much each task's gradient counts in the sum of all projected ones."""
        products = gramian.detach().cpu().double()
        yields = self._yields(len(products))
        weights = torch.zeros(len(products), dtype=products.dtype)
        for task in range(len(products)):
            weights += _projected(products, task, torch.randperm(len(products)), yields[task])
        return weights.to(gramian)

    def _yields(self, tasks: int) -> Tensor:
        """Return ``(tasks, tasks)``: whether the first is projected where it conflicts with the second."""
        priorities = torch.ones(tasks) if self.priorities is None else self.priorities.cpu()
        total = priorities[:, None] + priorities
        chance = torch.where(total > 0, priorities / total, 0.5)  # of the first yielding: the second's share
        tossed = torch.rand(tasks, tasks)
        first = torch.triu(tossed < chance, diagonal=1)
        yields = first | (torch.triu(~first, diagonal=1)).T
        if self.both_when_equal:
            yields |= priorities[:, None] == priorities
        return yields


class WPCGrad(GramianWeightedAggregator):
    r"""PCGrad in which priorities take the place of loss weights.

    Where the gradients of tasks i and j conflict, that of i is projected onto the normal plane of j's original gradient
    with probability ``q_j / (q_i + q_j)``, and otherwise j's onto that of i: the task of higher priority is more likely
    left as it is. Without conflict the result is the sum. An aggregator of TorchJD's like any other.

    Parameters
    ----------
    priorities
        ``(tasks,)``, not negative; equal by default. In a training they are the weights of the loss weighting.
    both_when_equal
        Whether tasks of equal priority are both projected: PCGrad.

    References
    ----------
    Bohn et al. (2024), arXiv 2409.01793; the paper's rule of sampling read pairwise.

    Examples
    --------
    >>> gradients = torch.tensor([[1.0, 0.0], [-1.0, 1.0]])
    >>> WPCGrad(torch.tensor([1.0, 0.0]))(gradients)
    tensor([1., 1.])
    """

    gramian_weighting: WPCGradWeighting

    def __init__(self, priorities: Tensor | None = None, *, both_when_equal: bool = False) -> None:
        super().__init__(WPCGradWeighting(priorities, both_when_equal=both_when_equal))

    def prioritise(self, priorities: Tensor) -> None:
        """Set the priorities of the next step."""
        self.gramian_weighting.priorities = priorities


def _projected(products: Tensor, task: int, order: Tensor, yields: Tensor) -> Tensor:
    """Return one task's projected gradient as weights of the original ones."""
    weights = torch.zeros(len(products), dtype=products.dtype)
    weights[task] = 1.0
    for other in order.tolist():
        along = float(products[other] @ weights)
        if other != task and yields[other] and along < 0:
            weights[other] -= along / products[other, other]
    return weights
