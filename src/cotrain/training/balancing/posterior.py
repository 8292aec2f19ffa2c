"""What is known of linear heads: a Gaussian posterior per task, and the gradients it implies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from cotrain.errors import InputError
from cotrain.problem.task import Task

NODES = 20
SMALLEST_VARIANCE = 1e-8


class HeadPosterior(nn.Module):
    r"""Gaussian posteriors of the last layer's weights, one per task, from an epoch's features.

    Regression: exact, with unit noise. Binary tasks: Laplace's approximation after a Newton step. The prior is
    ``N(0, prior I)``. The gradient of a row's loss with respect to its representation is then random too; its mean and
    variance are one-dimensional integrals over the row's output, taken by Gauss-Hermite quadrature instead of sampling.

    Parameters
    ----------
    tasks
        Binary or regression.
    width
        Of the representation.
    prior
        Variance of a weight before any data.

    Raises
    ------
    InputError
        When a task is of another kind or has a loss of its own.
    """

    curvature: Tensor
    response: Tensor
    mean: Tensor
    covariance: Tensor
    ready: Tensor
    _binary: Tensor

    def __init__(self, tasks: Sequence[Task], width: int, *, prior: float = 1.0) -> None:
        super().__init__()
        others = [task.name for task in tasks if task.kind not in ("binary", "regression") or task.loss is not None]
        if others:
            raise InputError(
                "`aggregation` 'bayes-agg' knows binary and regression tasks with their usual losses. "
                f"Found others: {', '.join(others)}."
            )
        size, count = width + 1, len(tasks)
        self.prior = prior
        self.register_buffer("_binary", torch.tensor([task.kind == "binary" for task in tasks]), persistent=False)
        for name, shape in (("curvature", (size, size)), ("response", (size,)), ("mean", (size,))):
            self.register_buffer(name, torch.zeros(count, *shape, dtype=torch.float64))
        self.register_buffer("covariance", prior * torch.eye(size, dtype=torch.float64).repeat(count, 1, 1))
        self.register_buffer("ready", torch.zeros((), dtype=torch.bool))

    def observe(self, features: Tensor, outputs: Tensor, targets: Tensor) -> None:
        """Take in rows: their features ``(rows, width)``, outputs and targets ``(rows, tasks)``, NaN for no label."""
        read, scores = _extended(features), outputs.double()
        present = ~torch.isnan(targets)
        chance = torch.sigmoid(scores)
        steep = torch.where(self._binary, chance * (1 - chance), 1.0) * present
        residual = (targets.nan_to_num(0.0) - torch.where(self._binary, chance, scores)) * present
        self.curvature += torch.einsum("nt,nd,ne->tde", steep, read, read)
        self.response += (steep * scores + residual).T @ read

    def update(self) -> None:
        """Turn what was taken in into the posterior, and forget it."""
        prior = torch.eye(self.curvature.shape[-1]).to(self.curvature) / self.prior
        self.covariance = torch.linalg.inv(self.curvature + prior)
        self.mean = torch.einsum("tde,te->td", self.covariance, self.response)
        self.curvature, self.response = torch.zeros_like(self.curvature), torch.zeros_like(self.response)
        self.ready = torch.ones_like(self.ready)

    def gradients(self, features: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and variance ``(rows, tasks, width)`` of the losses' gradients with respect to the features."""
        read = _extended(features)
        along = torch.einsum("tde,ne->ntd", self.covariance, read)
        spread = torch.einsum("ntd,nd->nt", along, read).clamp(min=SMALLEST_VARIANCE)
        weight, slope = self.mean[:, :-1], along[..., :-1] / spread[..., None]
        rest = torch.diagonal(self.covariance, dim1=1, dim2=2)[:, :-1] - slope * along[..., :-1]
        first, second = self._moments(read @ self.mean.T, spread, targets.nan_to_num(0.0))
        mean = weight * first[0][..., None] + slope * first[1][..., None]
        square = (weight**2 + rest) * second[0][..., None]
        square = square + 2 * weight * slope * second[1][..., None] + slope**2 * second[2][..., None]
        return mean, (square - mean**2).clamp(min=SMALLEST_VARIANCE)

    def _moments(self, center: Tensor, spread: Tensor, targets: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Return ``E[r z^k]`` and ``E[r^2 z^k]``: ``r`` the loss' slope in the output, ``z`` the output centred."""
        nodes, shares = (torch.from_numpy(part).to(center) for part in np.polynomial.hermite_e.hermegauss(NODES))
        shares = shares / shares.sum()
        offset = spread.sqrt()[..., None] * nodes
        output, label = center[..., None] + offset, targets.double()[..., None]
        slope = torch.where(self._binary[:, None], torch.sigmoid(output) - label, 2 * (output - label))
        first = [(slope * offset**power) @ shares for power in range(2)]
        second = [(slope**2 * offset**power) @ shares for power in range(3)]
        return first, second


def _extended(features: Tensor) -> Tensor:
    """Return features with a one for the bias."""
    read = features.detach().double()
    return torch.cat([read, torch.ones_like(read[:, :1])], dim=1)
