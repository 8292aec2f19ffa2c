"""Task-feature collaborative learning: blocks of tasks and of features that have to do with one another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from cotrain import checks
from cotrain.problem.task import Subset
from cotrain.training.fit import Fit
from cotrain.training.soft_sharing.heads import HeadPenalty, Heads, MovedHeads
from cotrain.training.trainer import Trainer

TOLERANCE = 1e-9
NEXT_TO_NOTHING = 1e-6
"""Features whose weights are shorter than this, beside the longest, belong to no block."""


@dataclass(frozen=True)
class TaskFeatureCollaborative(HeadPenalty):
    r"""Trains under a penalty that makes the heads' weights block-diagonal: groups of tasks with features of their own.

    Tasks and features are the nodes of a graph whose edges are the lengths of the weights between them. It falls into
    ``groups`` parts where as many eigenvalues of its Laplacian are zero, so their sum is the penalty. With the
    eigenvectors at hand that is a weighted :math:`\ell_1` penalty

    .. math:: s \sum_{t, f} \lVert e_t - e_f \rVert^2 \, \lVert w_{tf} \rVert

    with :math:`e` the nodes' coordinates in the eigenvectors, taken anew after every epoch and scaled so that the
    farthest pays 1. After every optimizer step its proximal map (soft thresholding) is applied, decoupled from the
    optimizer as weight decay is in AdamW. Strength zero, or one group, is ordinary training. In a deep network the
    features are hidden units.

    Parameters
    ----------
    groups
        Blocks.
    strength
        s: each step shortens a weight between the tasks and features farthest apart by the learning rate times this.
    warmup
        Epochs without the penalty: blocks of untrained weights mean nothing, and a strong penalty would keep them.

    Notes
    -----
    The Laplacian is normalised by degrees here, so that weak features are not cut off in the place of blocks. Cost: an
    eigendecomposition of size tasks + features per epoch.

    References
    ----------
    Yang, Xu, Cao and Huang (2020), arXiv 2004.13930.

    Examples
    --------
    >>> from cotrain.problem.demo import digits
    >>> trainer = Trainer(digits().with_tasks(["even", "prime"]))
    >>> method = TaskFeatureCollaborative(groups=2)
    >>> fit = method.fit(trainer, ("even", "prime"))
    >>> sorted(name for group in method.groups_of(trainer, fit) for name in group)
    ['even', 'prime']
    """

    groups: int = 2
    strength: float = 1.0
    warmup: int = 10

    def __post_init__(self) -> None:
        checks.at_least("groups", self.groups, 1)
        checks.at_least("strength", self.strength, 0.0)
        checks.at_least("warmup", self.warmup, 0)

    def groups_of(self, trainer: Trainer, fit: Fit) -> tuple[Subset, ...]:
        """Return the groups of tasks that no feature connects, in the order of their first tasks."""
        if len(fit.subset) == 1:
            return (fit.subset,)
        numbers = connected(lengths(self.heads(trainer, fit.subset, fit.network).weights()))
        return tuple(
            tuple(name for name, own in zip(fit.subset, numbers, strict=True) if own == number)
            for number in dict.fromkeys(numbers)
        )

    def _penalised(self, heads: Heads) -> MovedHeads:
        return _Blocks(heads, self)


class _Blocks(MovedHeads):
    """Soft thresholds that are high between tasks and features of different blocks."""

    distance: Tensor
    epochs: Tensor

    def __init__(self, heads: Heads, options: TaskFeatureCollaborative) -> None:
        super().__init__()
        self._heads, self._options = heads, options
        self.register_buffer("distance", torch.zeros_like(lengths(heads.weights())))
        self.register_buffer("epochs", torch.zeros((), dtype=torch.int64))

    def end_epoch(self) -> None:
        """Look where the blocks are by now."""
        self.epochs += 1
        if int(self.epochs) >= self._options.warmup:
            self.distance.copy_(distances(lengths(self._heads.weights()), self._options.groups))

    @torch.no_grad()
    def move(self, rate: float) -> None:
        """Take the penalty's own step."""
        weights = self._heads.weights()
        found = lengths(weights)
        cut = rate * self._options.strength * self.distance
        kept = (1 - cut / found.clamp(min=torch.finfo(found.dtype).tiny)).clamp(min=0.0)
        for own, factor in zip(weights, kept, strict=True):
            own.mul_(factor)


def lengths(weights: list[Tensor]) -> Tensor:
    """Return ``(tasks, features)``: the norms over outputs of each task's weights at each feature."""
    return torch.stack([own.norm(dim=0) for own in weights])


def distances(found: Tensor, groups: int) -> Tensor:
    """Return ``(tasks, features)``: squared distances between nodes in the smoothest eigenvectors, the largest being 1.

    Examples
    --------
    >>> distances(torch.eye(2) + 0.1, groups=2).round(decimals=3).tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    tasks, features = found.shape
    graph = torch.zeros(tasks + features, tasks + features, dtype=torch.float64, device=found.device)
    graph[:tasks, tasks:] = found.double()
    graph = graph + graph.T
    degrees = graph.sum(dim=0)
    linked = degrees > NEXT_TO_NOTHING * degrees.max()
    scale = torch.where(linked, degrees, 1.0).rsqrt() * linked
    # The smoothest eigenvectors of the normalised Laplacian are the largest of the normalised graph.
    _, vectors = torch.linalg.eigh(scale[:, None] * graph * scale)
    places = vectors[:, -groups:] * scale[:, None]
    apart = torch.cdist(places[:tasks], places[tasks:]).square() * linked[tasks:]
    rounding = TOLERANCE * places.square().max()
    return (apart / apart.max()).to(found.dtype) if apart.max() > rounding else torch.zeros_like(found)


def connected(found: Tensor) -> list[int]:
    """Return a number for each task, the same for those that features connect.

    Examples
    --------
    >>> connected(torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]]))
    [0, 0, 1]
    """
    there = (found > NEXT_TO_NOTHING * found.max()).cpu().numpy()
    graph = np.block([[np.zeros((len(there),) * 2), there], [there.T, np.zeros((there.shape[1],) * 2)]])
    _, numbers = connected_components(csr_array(graph), directed=False)
    return [int(number) for number in numbers[: len(there)]]
