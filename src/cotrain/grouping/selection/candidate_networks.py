"""Networks whose losses are known, measured or estimated, to choose among."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from scipy.stats import norm

from cotrain import checks
from cotrain.affinity.subset_losses import SubsetLosses
from cotrain.errors import InputError
from cotrain.grouping.selection.networks import Bools, Floats

Measure: TypeAlias = Literal["gain", "loss"]
MEASURES: tuple[Measure, ...] = ("gain", "loss")


@dataclass(frozen=True, eq=False)
class CandidateNetworks:
    """Networks to choose among; tables of different kinds of network add up with ``+``.

    Parameters
    ----------
    tasks
        Task names, in column order.
    members
        ``(networks, tasks)``: who trains in it.
    scores
        ``(networks, tasks)``, higher is better; ``-inf`` where a network does not serve a task.
    cost
        ``(networks,)``: cost of each; ``None`` leaves it to the cost budget.

    Examples
    --------
    >>> losses = SubsetLosses.from_dict({("a",): {"a": 0.5}, ("b",): {"b": 0.4}, ("a", "b"): {"a": 0.4, "b": 0.5}})
    >>> small = SubsetLosses.from_dict({("a",): {"a": 0.55}, ("b",): {"b": 0.45}})
    >>> full = CandidateNetworks.from_subset_losses(losses, measure="loss", cost=1.0)
    >>> half = CandidateNetworks.from_subset_losses(small, measure="loss", cost=0.5)
    >>> (full + half).cost.tolist()
    [1.0, 1.0, 1.0, 0.5, 0.5]
    """

    tasks: tuple[str, ...]
    members: Bools
    scores: Floats
    cost: Floats | None = None

    def __len__(self) -> int:
        return len(self.members)

    @classmethod
    def from_subset_losses(
        cls,
        losses: SubsetLosses,
        *,
        measure: Measure = "gain",
        confidence: float | None = None,
        cost: float | Sequence[float] | None = None,
    ) -> CandidateNetworks:
        """Score every subset of a table.

        Parameters
        ----------
        losses
            Where a subset is both measured and estimated, the measurement counts; repeated rows are averaged.
        measure
            ``"gain"`` (share of the loss alone that is saved; needs every task's loss alone) or ``"loss"`` (its
            negative).
        confidence
            Level of the one-sided bound that replaces every loss; ``None`` takes the losses as they are.
        cost
            Of each distinct subset in the order of first appearance, or one number for all.
        """
        checks.one_of("measure", measure, MEASURES)
        members, loss = _distinct(_pessimistic(losses, confidence))
        if measure == "gain":
            _require_alone(losses)
            scores = 1.0 - loss / losses.alone
        else:
            scores = -loss
        scores = np.where(np.isfinite(scores), scores, -np.inf)
        costs = None if cost is None else np.broadcast_to(np.asarray(cost, dtype=np.float64), len(members)).copy()
        return cls(losses.tasks, members, scores, costs)

    def __add__(self, other: CandidateNetworks) -> CandidateNetworks:
        other = other.with_tasks(self.tasks)
        if (self.cost is None) != (other.cost is None):
            raise InputError("`cost` must be given for both tables of networks or for neither. Found one.")
        cost = None if self.cost is None or other.cost is None else np.concatenate([self.cost, other.cost])
        members = np.concatenate([self.members, other.members])
        return CandidateNetworks(self.tasks, members, np.concatenate([self.scores, other.scores]), cost)

    def with_tasks(self, names: Sequence[str]) -> CandidateNetworks:
        """Return the networks with their columns in the order of ``names``, which must be the same tasks."""
        if sorted(names) != sorted(self.tasks):
            raise InputError(f"`tasks` must be the same in both tables. Found {list(names)} and {list(self.tasks)}.")
        index = [self.tasks.index(name) for name in names]
        return CandidateNetworks(tuple(names), self.members[:, index], self.scores[:, index], self.cost)


def _pessimistic(losses: SubsetLosses, confidence: float | None) -> SubsetLosses:
    if confidence is None:
        return losses
    if not np.isfinite(losses.standard_error[np.isfinite(losses.loss)]).all():
        raise InputError("`confidence` needs a standard error for every subset loss. Found gaps. Drop `confidence`.")
    loss = losses.loss + norm.ppf(confidence) * losses.standard_error
    return SubsetLosses(losses.tasks, losses.mask, loss, losses.standard_error, losses.source)


def _require_alone(losses: SubsetLosses) -> None:
    lacking = [
        task for task, loss in zip(losses.tasks, losses.alone, strict=True) if not np.isfinite(loss) or loss == 0
    ]
    if lacking:
        raise InputError(
            f"`measure` 'gain' needs the loss of every task alone. Missing or zero for {lacking}. Use measure='loss'."
        )


def _distinct(losses: SubsetLosses) -> tuple[Bools, Floats]:
    """Merge the rows of each subset: measured before estimated, then the mean."""
    members, first, row = np.unique(losses.mask, axis=0, return_index=True, return_inverse=True)
    merged = np.full(members.shape, np.nan)
    for source in ("estimated", "measured"):
        known = np.isfinite(losses.loss) & (losses.source == source)[:, None]
        total, count = np.zeros(members.shape), np.zeros(members.shape)
        np.add.at(total, row.reshape(-1), np.where(known, losses.loss, 0.0))
        np.add.at(count, row.reshape(-1), known)
        merged = np.where(count > 0, total / np.maximum(count, 1), merged)
    order = np.argsort(first)
    return members[order], merged[order]
