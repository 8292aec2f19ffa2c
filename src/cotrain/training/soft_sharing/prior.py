"""Prior information: heads that are told which tasks, and which features, belong together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from cotrain import checks
from cotrain.errors import InputError
from cotrain.training.soft_sharing.heads import HeadPenalty, Heads, MovedHeads

TaskRelation: TypeAlias = tuple[str, str, float]
FeatureRelation: TypeAlias = tuple[int, int, float]
Spectrum: TypeAlias = tuple[Tensor, Tensor]
TOLERANCE = 1e-9


@dataclass(frozen=True)
class PriorInformation(HeadPenalty):
    r"""Trains under a penalty on the differences between the heads of related tasks, or at related features.

    .. math:: \frac{s}{2} \sum_{i<j} R_{ij} \lVert w_i - w_j \rVert^2
              + \frac{s}{2} \sum_{f<g} Q_{fg} \lVert W_f - W_g \rVert^2 + c \sum_f \lVert W_f \rVert

    with :math:`w_i` the weights of task i's head and :math:`W_f` those of all tasks at feature f. Strength zero is
    ordinary training; infinite strength makes the heads of tasks that relations connect identical. After every
    optimizer step the terms' proximal maps are applied one after another, decoupled from the optimizer as weight decay
    is in AdamW: no strength is too large for a learning rate. Intercepts stay free. In a deep network the features are
    hidden units, of which nothing is known beforehand: there relations between tasks are what is of use.

    Parameters
    ----------
    tasks
        ``(task, task, weight)`` for those that are related; weights above zero.
    features
        Likewise with the numbers of features, which are input columns in a linear model.
    strength
        s; :data:`math.inf` for hard relations.
    sparsity
        c: features of little use to any task are left out.

    References
    ----------
    Zhang and Liu (SDM 2023), arXiv 2301.01572; between tasks: Evgeniou, Micchelli and Pontil (2005).

    Examples
    --------
    >>> import math
    >>> from cotrain.problem.demo import digits
    >>> from cotrain.training.trainer import Trainer
    >>> trainer = Trainer(digits().with_tasks(["even", "prime"]))
    >>> fit = PriorInformation(tasks=(("even", "prime", 1.0),), strength=math.inf).fit(trainer, ("even", "prime"))
    >>> even, prime = fit.network.heads.weight
    >>> torch.allclose(even, prime)
    True
    """

    tasks: tuple[TaskRelation, ...] = ()
    features: tuple[FeatureRelation, ...] = ()
    strength: float = 1.0
    sparsity: float = 0.0

    def __post_init__(self) -> None:
        checks.at_least("sparsity", self.sparsity, 0.0)
        if not self.strength >= 0:
            raise InputError(f"`strength` must not be negative. Found {self.strength}.")
        for name in ("tasks", "features"):
            wrong = [relation for relation in getattr(self, name) if not relation[2] > 0 or relation[0] == relation[1]]
            if wrong:
                raise InputError(f"`{name}` must relate different ones with weights above zero. Found {wrong}.")

    def _penalised(self, heads: Heads) -> MovedHeads:
        names, read = [task.name for task in heads.tasks], heads.weights()[0].shape[1]
        pairs = [pair for pair in self.tasks if {pair[0], pair[1]} <= {*names}]
        related = sorted({name for pair in pairs for name in pair[:2]})
        widths = sorted({heads.tasks[names.index(name)].width for name in related})
        if len(widths) > 1:
            raise InputError(f"`tasks` must relate tasks with as many outputs as one another. Found {widths}.")
        beyond = [pair for pair in self.features if not 0 <= min(pair[:2]) <= max(pair[:2]) < read]
        if beyond:
            raise InputError(f"`features` must be numbers below {read}, what the heads read. Found {beyond}.")
        numbered = [(related.index(i), related.index(j), weight) for i, j, weight in pairs]
        places = tuple(names.index(name) for name in related)
        return _Related(heads, places, laplacian(len(related), numbered), laplacian(read, self.features), self)


class _Related(MovedHeads):
    """The penalty's proximal maps, one after another."""

    def __init__(
        self, heads: Heads, related: Sequence[int], tasks: Tensor, features: Tensor, options: PriorInformation
    ) -> None:
        super().__init__()
        self._heads, self._places, self._options = heads, related, options
        self._tasks, self._features = spectrum(tasks), spectrum(features)

    @torch.no_grad()
    def move(self, rate: float) -> None:
        """Take the penalty's own step."""
        weights, force = self._heads.weights(), rate * self._options.strength
        if self._places and force:
            related = torch.stack([weights[place] for place in self._places])
            for place, own in zip(self._places, drawn(related, self._tasks, force), strict=True):
                weights[place].copy_(own)
        if self._options.features and force:
            for own in weights:
                own.copy_(drawn(own.T, self._features, force).T)
        if self._options.sparsity:
            norms = torch.cat(weights).norm(dim=0)
            kept = 1 - rate * self._options.sparsity / norms.clamp(min=torch.finfo(norms.dtype).tiny)
            for own in weights:
                own.mul_(kept.clamp(min=0.0))


def laplacian(size: int, relations: Sequence[FeatureRelation]) -> Tensor:
    """Return the Laplacian of a weighted graph.

    Examples
    --------
    >>> laplacian(2, [(0, 1, 3.0)]).tolist()
    [[3.0, -3.0], [-3.0, 3.0]]
    """
    found = torch.zeros(size, size, dtype=torch.float64)
    for one, other, weight in relations:
        found[one, one] += weight
        found[other, other] += weight
        found[one, other] -= weight
        found[other, one] -= weight
    return found


def spectrum(symmetric: Tensor) -> Spectrum:
    """Return eigenvalues and eigenvectors."""
    values, vectors = torch.linalg.eigh(symmetric)
    return values, vectors


def drawn(rows: Tensor, along: Spectrum, force: float) -> Tensor:
    """Return rows drawn together along a graph, ``(I + force L)^-1 rows``; infinite force makes connected ones equal.

    Examples
    --------
    >>> import math
    >>> pair = spectrum(laplacian(2, [(0, 1, 1.0)]))
    >>> drawn(torch.tensor([[0.0], [4.0]]), pair, math.inf).round().flatten().tolist()
    [2.0, 2.0]
    """
    values, vectors = (part.to(rows.device) for part in along)
    apart = values > TOLERANCE * values.max()
    kept = torch.where(apart, 1 / (1 + force * torch.where(apart, values, 1.0)), 1.0)
    moved = vectors @ (kept[:, None] * (vectors.T @ rows.double().flatten(1)))
    return moved.to(rows.dtype).view_as(rows)
