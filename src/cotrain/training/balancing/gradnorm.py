"""GradNorm: tasks weighted so that their gradients keep comparable norms."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class GradNorm(nn.Module):
    r"""Weights that move until every task pulls about as hard as its training rate deserves.

    With ``n_i`` the norm of task i's gradient at the last shared layer and ``r_i`` its loss relative to its first one,
    divided by the mean of these over tasks, each call takes a step on
    ``sum_i |w_i n_i - mean_j(w_j n_j) r_i^alpha|`` with the mean held fixed, and scales the weights to a mean of one.

    Parameters
    ----------
    tasks
        How many.
    alpha
        Zero asks for equal norms; larger pulls harder at tasks that train slowly.
    rate
        Step size.

    References
    ----------
    Chen, Badrinarayanan, Lee, Rabinovich (ICML 2018), arXiv 1711.02257.

    Examples
    --------
    >>> weighting = GradNorm(2, alpha=0.0, rate=0.01)
    >>> for _ in range(300):
    ...     weights = weighting(torch.tensor([1.0, 1.0]), torch.tensor([3.0, 1.0]))
    >>> [round(weight, 1) for weight in weights.tolist()]
    [0.5, 1.5]
    """

    weights: Tensor
    first: Tensor

    def __init__(self, tasks: int, *, alpha: float = 1.5, rate: float = 0.025) -> None:
        super().__init__()
        self.alpha, self.rate = alpha, rate
        self.register_buffer("weights", torch.ones(tasks))
        self.register_buffer("first", torch.zeros(tasks))

    def forward(self, losses: Tensor, norms: Tensor) -> Tensor:
        """Return the weights for this batch, and move them for the next; a task with zero loss is not looked at."""
        present = losses > 0
        self.first = torch.where((self.first == 0) & present, losses, self.first)
        used = self.weights.clone()
        relative = (losses / self.first)[present]
        rate = (relative / relative.mean()) ** self.alpha
        pulls = (used * norms)[present]
        off = torch.sign(pulls - pulls.mean() * rate)
        moved = used.clone()
        moved[present] = (used[present] - self.rate * off * norms[present] / norms[present].mean()).clamp(min=1e-3)
        self.weights = moved * (len(moved) / moved.sum())
        return used
