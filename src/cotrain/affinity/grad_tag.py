"""Grad-TAG: one base model, linearised; every subset of tasks is a small regression on its projected gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from cotrain import checks
from cotrain.affinity import cautions
from cotrain.affinity.affinity import Affinity
from cotrain.affinity.aggregation import co_occurrence_mean
from cotrain.affinity.design import all_pairs, distinct, singles_and_all, survey
from cotrain.affinity.linear.linearised import forward_losses, linearise
from cotrain.affinity.shortened import shortened
from cotrain.affinity.subset_losses import SubsetLosses
from cotrain.cost import Cost, measure
from cotrain.gradients.choose_basis import BasisKind
from cotrain.problem.problem import Problem
from cotrain.training.trainer import Trainer

_PROBES = 4


@dataclass(frozen=True)
class GradTAG:
    r"""Estimate the loss of any subset of tasks without training it.

    A base network is trained on all tasks. Around its parameters :math:`\theta^*` every row is linear in the update:
    its margin (classification) or residual (regression) becomes :math:`u_s = b_s + g_s^\top w` with the base's own
    output kept as the offset :math:`b_s`. The update of a subset :math:`S` is then the regularised regression

    .. math:: \hat w_S = \arg\min_w \frac{1}{|S|} \sum_{i \in S} \frac{1}{n_i} \sum_{s \in i} \ell(u_s)
              + \frac{\lambda}{2} \|w\|^2

    over projected gradients, without intercept: margins make the cross-entropy of any number of classes exactly
    :math:`\log(1 + e^{-u})`. Its validation loss is the estimate. Affinities are mean gains over balanced subsets.

    The estimate sees how tasks pull at shared parameters near the base. It does not see tasks competing for capacity:
    every task gains from leaving a network that is too small, and linearisation does not know it.

    Parameters
    ----------
    bases
        Base networks (seeds) to average over; they give the standard errors.
    projection_dim
        Coordinates of a projected gradient.
    basis
        Kind of projection; see :func:`cotrain.gradients.make_basis`.
    order
        ``"higher"``: mean gain over subsets that hold both tasks; ``"pairwise"``: over the pair alone.
    subset_size
        Tasks in each sampled subset; a third of all tasks by default, between 3 and 10.
    meetings
        Mean number of sampled subsets in which two tasks meet.
    strength
        Ridge strength; chosen on validation rows by default.
    corrections
        Steps after Newton's first one. 0: that step alone, from statistics that add up over tasks, the fastest fit.
    base_share
        Share of the epochs that a base may train; less than 1 linearises early, where tasks still pull.
    evaluation
        ``"linear"`` (losses of the linearised network) or ``"forward"`` (the network itself at the update; one pass
        over the validation rows for each subset).

    Notes
    -----
    Cost: one training and one gradient per row, task and base, then a ``d x d`` solve per subset. Li, Sharma and Zhang,
    "Scalable Multitask Learning Using Gradient-based Estimation of Task Affinity", KDD 2024.

    Examples
    --------
    >>> GradTAG(bases=2) == GradTAG(bases=2)
    True
    """

    name: ClassVar[str] = "grad-tag"
    citation: ClassVar[str] = (
        "@inproceedings{li2024scalable, title={Scalable Multitask Learning Using Gradient-based Estimation of Task "
        "Affinity}, author={Li, Dongyue and Sharma, Aneesh and Zhang, Hongyang R.}, booktitle={KDD}, year={2024}}"
    )

    bases: int = 3
    projection_dim: int = 200
    basis: BasisKind = "auto"
    order: Literal["higher", "pairwise"] = "higher"
    subset_size: int | None = None
    meetings: float = 10.0
    strength: float | None = None
    corrections: int = 2
    base_share: float = 1.0
    evaluation: Literal["linear", "forward"] = "linear"

    def __post_init__(self) -> None:
        for name in ("bases", "projection_dim", "meetings"):
            checks.at_least(name, getattr(self, name), 1)
        checks.at_least("corrections", self.corrections, 0)
        checks.within("base_share", self.base_share, 0.001, 1.0)
        checks.one_of("basis", self.basis, get_args(BasisKind))
        checks.one_of("order", self.order, ("higher", "pairwise"))
        checks.one_of("evaluation", self.evaluation, ("linear", "forward"))
        if self.subset_size is not None:
            checks.at_least("subset_size", self.subset_size, 2)
        if self.strength is not None:
            checks.at_least("strength", self.strength, 0.0)

    def estimate(self, problem: Problem, trainer: Trainer, *, seed: int = 0) -> Affinity:
        """Return affinities in gain units, with the subset losses behind them.

        Base networks train with seeds ``seed, seed + 1, ...``, the same a verdict uses for its all-in-one networks.
        """
        mask = self._design(problem.names, seed)
        at_bases = [self._at_base(problem, trainer, mask, seed + number) for number in range(self.bases)]
        losses = _average(problem.names, mask, np.stack([base.loss for base in at_bases]))
        aggregate = co_occurrence_mean(losses, pairs_only=self.order == "pairwise")
        warnings = [
            *dict.fromkeys(text for base in at_bases for text in base.warnings),
            *cautions.about_data(problem),
            *cautions.about_meetings(aggregate),
            *cautions.about_gains(aggregate),
        ]
        cost = sum((base.cost for base in at_bases), Cost())
        return Affinity(problem.names, *aggregate, self.name, "gain", losses, cost, tuple(warnings), self.citation)

    def _design(self, names: tuple[str, ...], seed: int) -> NDArray[np.bool_]:
        if self.order == "pairwise":
            return distinct(np.concatenate([singles_and_all(len(names)), all_pairs(len(names))]))
        return survey(names, size=self.subset_size, meetings=self.meetings, seed=seed)

    def _at_base(self, problem: Problem, trainer: Trainer, mask: NDArray[np.bool_], seed: int) -> _AtBase:
        base = shortened(trainer, self.base_share).fit(problem.subset(problem.names), seed=seed)
        with measure() as meter:
            model = linearise(problem, base, kind=self.basis, dim=self.projection_dim, seed=seed)
            strength, at_edge = (self.strength, False) if self.strength is not None else model.best_strength(mask)
            updates = model.updates(mask, strength, corrections=self.corrections)
            linear = model.losses(updates)
            probes = slice(None) if self.evaluation == "forward" else slice(0, _PROBES)
            forward = forward_losses(trainer, base, [model.basis.lift(update) for update in updates[probes]])
        unmoved, everything = model.losses(torch.zeros_like(updates[:1]))[0], mask.all(axis=1)
        warnings = [
            *cautions.about_strength(strength, at_edge=at_edge),
            *(cautions.about_base(base, unmoved, linear[everything][0]) if self.base_share == 1.0 else ()),
            *cautions.about_linearisation(unmoved, linear[probes], forward),
        ]
        loss = np.where(mask, forward if self.evaluation == "forward" else linear, np.nan)
        return _AtBase(loss, tuple(warnings), base.cost + meter.cost)


class _AtBase(NamedTuple):
    loss: NDArray[np.float64]
    warnings: tuple[str, ...]
    cost: Cost


def _average(tasks: tuple[str, ...], mask: NDArray[np.bool_], loss: NDArray[np.float64]) -> SubsetLosses:
    """Average losses ``(bases, subsets, tasks)`` over bases, each relative to its own losses alone.

    A base's general level cancels in its gains; so it must not enter their standard error either. The task alone is the
    reference and carries the error of that level.
    """
    bases, alone = len(loss), loss[:, : len(tasks)].diagonal(axis1=1, axis2=2)
    level = alone.mean(axis=0)
    relative = loss / alone[:, None, :]
    error = (relative.std(axis=0, ddof=1) if bases > 1 else np.full(mask.shape, np.nan)) * level / np.sqrt(bases)
    if bases > 1:
        np.fill_diagonal(error[: len(tasks)], alone.std(axis=0, ddof=1) / np.sqrt(bases))
    error = np.where(mask, error, np.nan)
    return SubsetLosses(tasks, mask, relative.mean(axis=0) * level, error, np.full(len(mask), "estimated"))
