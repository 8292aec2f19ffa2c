"""A Gaussian process over (task, subset): gains of all subsets, with errors, from the losses of a few."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cotrain.affinity.subset_losses import SubsetLosses
from cotrain.affinity.surrogates.evidence import at_most, most_likely
from cotrain.affinity.surrogates.gain_model import Floats, Prediction
from cotrain.affinity.surrogates.likely_settings import likely_settings
from cotrain.affinity.surrogates.observations import Observations, Points
from cotrain.affinity.surrogates.posterior import Posterior
from cotrain.affinity.surrogates.settings import Settings

_MOST_OBSERVATIONS = 5000
_ENOUGH_TO_BE_SURE = 2000
"""Observations that leave so little open about the strengths that averaging over them would only take longer."""


@dataclass(frozen=True, eq=False)
class GainProcess:
    r"""Gains of all subsets of tasks, learned from the losses of some.

    The benefit :math:`b_i(S) = \log(L_i(\{i\}) / L_i(S))` is a Gaussian process with a covariance that is a sum of
    interpretable parts (see :data:`cotrain.affinity.surrogates.covariance.PARTS`): having company, the number of tasks,
    what a partner brings to everybody, to one task, to each other alike, and scores of cheap estimators. Their
    strengths, how far partners' effects dilute in larger groups, the noise of a training and each task's own scale of
    effects and noise are those of the largest posterior density (type-II maximum a posteriori), and for predictions
    some others around it that are about as likely.

    Because all tasks share the strengths, a dozen trained subsets already tell whether size, single partners or the
    cheap scores matter; where nothing does, gains shrink to zero with honest errors.

    Parameters
    ----------
    tasks
        Task names, in column order.
    observations
        What it learned from.
    scores
        Matrices ``(tasks, tasks)`` of cheap affinities, by name.
    settings
        The strengths found.

    Notes
    -----
    Cost: a Cholesky factorisation of as many rows as there are observations, about sixty times to learn (on at most 800
    of them), and four times to predict, once beyond 2,000 observations. The additive part with one weight per pair is
    the linear surrogate of "Identification of Negative Transfers in Multitask Learning Using Surrogate Models" (Li,
    Nguyen, Zhang, TMLR 2023), here with weights that share their prior over tasks.

    Examples
    --------
    >>> losses = {("a",): 1.0, ("b",): 1.0, ("c",): 1.0, ("a", "b"): 0.8, ("b", "c"): 1.2, ("a", "b", "c"): 1.0}
    >>> table = SubsetLosses.from_dict({subset: dict.fromkeys(subset, loss) for subset, loss in losses.items()})
    >>> model = GainProcess.fit(table)
    >>> gain = model.predict(np.array([[True, True, False], [False, True, True]])).gain
    >>> bool(gain[0, 0] > gain[1, 2])
    True
    """

    kind: ClassVar[str] = "gain-process"

    tasks: tuple[str, ...]
    observations: Observations
    scores: Mapping[str, Floats]
    settings: Settings

    @classmethod
    def fit(
        cls,
        losses: SubsetLosses | Sequence[SubsetLosses],
        *,
        scores: Mapping[str, Floats] | None = None,
        seeds: NDArray[np.int64] | None = None,
        seed: int = 0,
    ) -> GainProcess:
        """Learn from a table of losses.

        Parameters
        ----------
        losses
            Every task alone must be among them. A subset may come more than once, once per seed. Several tables hold
            the losses of the same networks on different parts of the validation rows; they tell what would be
            otherwise on other rows. Of more than 5,000 losses it learns from those of subsets drawn at random.
        scores
            Matrices ``(tasks, tasks)`` of cheap affinities, by name; entries that are not known count as zero.
        seeds
            ``(subsets,)``: with which seed each row was trained; all different by default.
        seed
            Of the choice of observations, where there are too many to use all for the strengths.
        """
        tables = [losses] if isinstance(losses, SubsetLosses) else list(losses)
        observations = at_most(Observations.of(tables, seeds), _MOST_OBSERVATIONS, seed)
        standard = {name: _standard(matrix) for name, matrix in (scores or {}).items()}
        settings = most_likely(observations, standard, len(tables[0].tasks), seed=seed)
        return cls(tables[0].tasks, observations, standard, settings)

    def __repr__(self) -> str:
        return f"GainProcess({len(self.tasks)} tasks, {len(self.observations.points)} observations)"

    @property
    def strengths(self) -> dict[str, float]:
        """Standard deviation of the benefits that each part explains, by name, and of the noise of one training."""
        return self.settings.strengths(tuple(self.scores))

    def predict(self, mask: NDArray[np.bool_]) -> Prediction:
        """Return expected gains on other rows and their standard errors, as many rows as were learned from.

        1.96 standard errors are a 95 % interval. Both are averages over the strengths that few networks leave possible.
        Errors hold what would be otherwise on other rows where several tables told it; they are without the noise that
        a single further training has.
        """
        points = Points.of(mask)
        possible = [Posterior(settings, self.observations, self.scores) for settings in self._possible]
        means, variances = zip(*(posterior.moments(points) for posterior in possible), strict=True)
        benefit, error = np.mean(means, axis=0), np.sqrt(np.mean(variances, axis=0) + np.var(means, axis=0))
        gain = self.observations.gain(benefit)
        slope = 1.0 - gain if self.observations.is_logarithm else np.ones_like(gain)
        return Prediction(_spread(mask, gain), _spread(mask, error * slope))

    def posterior_covariance(self, points: Points) -> Tensor:
        """Return the covariance of benefits ``(points, points)`` given what was observed, with the best strengths."""
        return Posterior(self.settings, self.observations, self.scores).covariance(points)

    @cached_property
    def _possible(self) -> list[Settings]:
        """The settings that what was observed leaves possible; just the best where that is much."""
        if len(self.observations.points) > _ENOUGH_TO_BE_SURE:
            return [self.settings]
        return likely_settings(self.settings, self.observations, self.scores, self.tasks)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return what :meth:`from_arrays` needs; masks are kept as bytes."""
        points = self.observations.points
        header = {"tasks": self.tasks, "scores": list(self.scores), "is_logarithm": self.observations.is_logarithm}
        return {
            "header": np.array(json.dumps(header)), "task": points.task, "partners": points.partners.astype(np.uint8),
            "network": points.network, "seed": points.seed, "rows": points.rows, "benefit": self.observations.benefit,
            "settings": self.settings.values, "matrices": np.array(list(self.scores.values()), dtype=np.float64),
        }  # fmt: skip

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the process that was saved."""
        header = json.loads(str(arrays["header"]))
        points = Points(
            arrays["task"], arrays["partners"].astype(np.float64), arrays["network"], arrays["seed"], arrays["rows"]
        )
        observations = Observations(points, arrays["benefit"], bool(header["is_logarithm"]))
        scores = dict(zip(header["scores"], arrays["matrices"], strict=True))
        return cls(tuple(header["tasks"]), observations, scores, Settings(arrays["settings"], len(header["tasks"])))


def _standard(matrix: Floats) -> Floats:
    """Return a score without its general level and scale: neither says who helps whom."""
    off = ~np.eye(len(matrix), dtype=bool) & np.isfinite(matrix)
    if not off.any():
        return np.zeros_like(matrix)
    deviation = float(matrix[off].std())
    return np.where(off, (matrix - matrix[off].mean()) / (deviation or 1.0), 0.0)


def _spread(mask: NDArray[np.bool_], values: Floats) -> Floats:
    table = np.full(mask.shape, np.nan)
    table[mask] = values
    return table
