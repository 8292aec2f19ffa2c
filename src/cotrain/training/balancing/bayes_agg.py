"""BayesAgg-MTL: tasks weighted, per row and coordinate, by how certain their gradients are."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cotrain.problem.losses import split_outputs
from cotrain.problem.rows import Rows
from cotrain.training.balancing.backward import Backward
from cotrain.training.balancing.last_layer import LastLayer
from cotrain.training.balancing.posterior import HeadPosterior
from cotrain.training.subset_data import SubsetData

POWER = 0.5


def weighted_by_precision(gradients: Tensor, variances: Tensor, weights: Tensor) -> Tensor:
    """Return the sum over tasks of their gradients, each weighted by its precision relative to the mean one.

    Parameters
    ----------
    gradients, variances
        ``(rows, tasks, width)``.
    weights
        ``(rows, tasks)``: how much a label counts, zero where it is missing. With equal precisions these are the
        weights of the sum.

    Examples
    --------
    >>> gradients, weights = torch.tensor([[[2.0], [4.0]]]), torch.ones(1, 2)
    >>> weighted_by_precision(gradients, torch.ones(1, 2, 1), weights).item()
    6.0
    >>> round(weighted_by_precision(gradients, torch.tensor([[[1.0], [1e12]]]), weights).item(), 4)
    4.0
    """
    present = (weights > 0)[..., None]
    precision = variances ** (-POWER) * present
    mean = precision.sum(dim=1) / present.sum(dim=1).clamp(min=1)
    relative = precision / mean[:, None].clamp(min=torch.finfo(precision.dtype).tiny)
    return (relative * weights[..., None] * gradients).sum(dim=1)


class BayesBackward(Backward):
    """The heads' own gradients, and below them what their posteriors make of all tasks' gradients.

    The posterior of an epoch is that of the features of the epoch before; the first epoch is ordinary training.

    Parameters
    ----------
    layer
        Where the heads are.
    posterior
        What is known of them.

    References
    ----------
    Achituve et al. (ICML 2024), arXiv 2402.04005. There classification is sampled, and each batch is added to the
    posterior once more.
    """

    def __init__(self, layer: LastLayer, posterior: HeadPosterior) -> None:
        super().__init__()
        self._layer = layer
        self.posterior = posterior

    def forward(self, network: nn.Module, data: SubsetData, batch: Rows) -> Tensor:
        """Set the gradients for one batch and return the mean loss."""
        outputs, features = self._layer.call(network, batch.inputs)
        loss = data.loss(outputs, batch.targets)
        parts = split_outputs(data.tasks, outputs)
        scores = torch.stack([parts[task.name].detach().reshape(len(batch)) for task in data.tasks], dim=1)
        self.posterior.observe(features, scores, batch.targets)
        if not bool(self.posterior.ready):
            torch.autograd.backward(loss)
            return loss.detach()
        heads = self._layer.parameters(network)
        torch.autograd.backward(loss, inputs=heads, retain_graph=True)
        mean, variance = self.posterior.gradients(features, batch.targets)
        weights = data.label_weights.double() * batch.observed / len(batch)
        torch.autograd.backward(features, weighted_by_precision(mean, variance, weights).to(features.dtype))
        return loss.detach()

    def end_epoch(self) -> None:
        """Turn the epoch's features into the posterior for the next."""
        self.posterior.update()
