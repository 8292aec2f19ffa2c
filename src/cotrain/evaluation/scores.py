"""How well predicted gains of subsets agree with measured ones, beside nulls and the ceiling that noise sets."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from cotrain import checks, files
from cotrain.affinity.affinity import Affinity
from cotrain.affinity.subset_losses import SubsetLosses
from cotrain.cost import Cost
from cotrain.errors import InputError
from cotrain.evaluation.coverage import interval_coverage
from cotrain.evaluation.predictors import base_loss_gain, size_gain, task_mean_gain
from cotrain.evaluation.regret import true_gains

MOST_NETWORKS = 5
Floats = NDArray[np.float64]
Correlation = Callable[[Floats, Floats], float]


@dataclass(frozen=True)
class Score:
    """Agreement of one predictor with the truth.

    Parameters
    ----------
    predictor
        ``"estimate"`` or a null: ``"base loss"``, ``"task mean"``, ``"size only"``.
    pearson, spearman
        Within each task across subsets, then the mean over tasks; NaN where a predictor does not vary.
    beyond_size
        Mean partial Spearman within tasks, given the number of partners.
    pooled
        Pearson correlation over all (subset, task) gains at once.
    sign
        Share of gains whose sign is right.
    relative_distance
        Mean of ``|predicted loss - true loss| / true loss``. Nulls do well on it: never read it alone.
    regret
        Mean over budgets of the gain given up by choosing networks by this predictor among the measured ones.
    """

    predictor: str
    pearson: float
    spearman: float
    beyond_size: float
    pooled: float
    sign: float
    relative_distance: float
    regret: float


@dataclass(frozen=True)
class Scores:
    """The outcome of :func:`cotrain.evaluate`.

    Parameters
    ----------
    method
        Name of the estimator.
    scores
        The estimate first, then the nulls.
    ceiling
        Correlation that a perfect predictor reaches within tasks, given the standard errors of the truth: the root of
        the share of a task's variance over subsets that is not noise. NaN where the truth has no standard errors.
    subsets
        Number of subsets scored.
    min_size
        The smallest of them.
    coverage
        Share of measured gains within the estimate's 95 % intervals; NaN where it, or the truth, knows no errors.
    cost_share
        FLOPs of the estimate as a share of those that the truth took; NaN where either is not known.
    """

    method: str
    scores: tuple[Score, ...]
    ceiling: float
    subsets: int
    min_size: int
    coverage: float = float("nan")
    cost_share: float = float("nan")

    def __repr__(self) -> str:
        estimate = self.scores[0]
        return (
            f"Scores({self.method!r} on {self.subsets} subsets: Pearson {estimate.pearson:.2f}, "
            f"Spearman {estimate.spearman:.2f}, ceiling {self.ceiling:.2f})"
        )

    def to_frame(self) -> pd.DataFrame:
        """Return one row per predictor."""
        return pd.DataFrame([asdict(score) for score in self.scores])

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Save as JSON; figures that are not known are null."""
        files.refuse_overwriting(Path(path), overwrite=overwrite)
        files.write_text(Path(path), json.dumps(self.to_dict(), indent=2))

    def to_dict(self) -> dict[str, object]:
        """Return plain values; figures that are not known are None."""
        scores = [{name: _plain(value) for name, value in asdict(score).items()} for score in self.scores]
        shares = {name: _plain(getattr(self, name)) for name in ("ceiling", "coverage", "cost_share")}
        return {**asdict(self), "scores": scores, **shares}


def evaluate(
    affinity: Affinity,
    truth: SubsetLosses,
    *,
    min_size: int = 3,
    budgets: Sequence[int] = (),
    truth_cost: Cost | None = None,
) -> Scores:
    r"""Score an affinity against measured losses, beside its nulls.

    Gains :math:`1 - L_i(S) / L_i(\{i\})` are compared within each task, across subsets: between tasks, the difficulty
    of the tasks would dominate everything.

    Parameters
    ----------
    affinity
        What is judged; its subset losses where it has them, else mean affinity to the partners.
    truth
        Measured losses, each task alone among them.
    min_size
        Score subsets of at least this many tasks.
    budgets
        Numbers of networks to take the regret over; one to five by default.
    truth_cost
        What measuring took, where known (see :func:`cotrain.evaluation.truth.read_truth_cost`).

    Raises
    ------
    InputError
        When tasks differ, a task was not measured alone, or no subset is large enough.

    Examples
    --------
    >>> losses = {("a",): 1.0, ("b",): 1.0, ("c",): 1.0, ("a", "b"): 0.8, ("a", "c"): 1.1, ("b", "c"): 1.2}
    >>> truth = SubsetLosses.from_dict({subset: dict.fromkeys(subset, loss) for subset, loss in losses.items()})
    >>> affinity = Affinity.from_matrix("abc", [[0, 0.2, -0.1], [0.2, 0, -0.2], [-0.1, -0.2, 0]])
    >>> evaluate(affinity, truth, min_size=2).scores[0].sign
    1.0
    """
    checks.at_least("min_size", min_size, 2)
    truth = _aligned(affinity, truth)
    large = truth.sizes >= min_size
    if not large.any():
        raise InputError(f"`truth` must hold subsets of at least `min_size` = {min_size} tasks. Found none.")
    predictions = {
        "estimate": affinity.predict(truth.mask).gain,
        "base loss": base_loss_gain(truth, truth.mask),
        "task mean": task_mean_gain(truth, truth.mask),
        "size only": size_gain(truth, truth.mask),
    }
    budgets = tuple(budgets) or tuple(range(1, min(len(truth.tasks), MOST_NETWORKS) + 1))
    best = true_gains(truth.gain(), truth, budgets)
    scores = tuple(
        _score(name, gain, truth, large, regret=best - true_gains(gain, truth, budgets))
        for name, gain in predictions.items()
    )
    share = affinity.cost.flops / truth_cost.flops if truth_cost and truth_cost.flops else float("nan")
    return Scores(
        affinity.method, scores, _ceiling(truth, large), int(large.sum()), min_size,
        interval_coverage(affinity, truth), share if affinity.cost.flops else float("nan"),
    )  # fmt: skip


def _aligned(affinity: Affinity, truth: SubsetLosses) -> SubsetLosses:
    if set(affinity.tasks) != set(truth.tasks):
        raise InputError(
            "`truth` must be about the tasks of the affinity. "
            f"Missing: {sorted(set(affinity.tasks) - set(truth.tasks)) or 'none'}; "
            f"unknown: {sorted(set(truth.tasks) - set(affinity.tasks)) or 'none'}."
        )
    truth = truth.with_tasks(affinity.tasks)
    alone = [task for task, loss in zip(truth.tasks, truth.alone, strict=True) if not np.isfinite(loss)]
    if alone:
        raise InputError(f"`truth` must hold every task alone: gains are relative to that. Missing: {alone}.")
    return truth


def _score(name: str, predicted: Floats, truth: SubsetLosses, large: NDArray[np.bool_], regret: Floats) -> Score:
    gain, guess = truth.gain()[large], predicted[large]
    known = np.isfinite(gain) & np.isfinite(guess)
    sizes = np.broadcast_to(truth.sizes[large][:, None], gain.shape).astype(np.float64)
    return Score(
        predictor=name,
        pearson=_within(guess, gain, known, _pearson),
        spearman=_within(guess, gain, known, _spearman),
        beyond_size=_within(guess, gain, known, _spearman, given=sizes),
        pooled=_pearson(guess[known], gain[known]),
        sign=_mean((guess > 0)[known] == (gain > 0)[known]),
        relative_distance=_mean(np.abs(guess - gain)[known] / np.abs(1.0 - gain[known])),
        regret=_mean(regret[np.isfinite(regret)]),
    )


def _mean(values: NDArray[Any]) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _within(
    guess: Floats, gain: Floats, known: NDArray[np.bool_], correlation: Correlation, *, given: Floats | None = None
) -> float:
    values = []
    for column in range(gain.shape[1]):
        rows = known[:, column]
        x, y = guess[rows, column], gain[rows, column]
        if given is not None:
            z = given[rows, column]
            x, y = _ranks_given(x, z), _ranks_given(y, z)
        values.append((_pearson if given is not None else correlation)(x, y))
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else float("nan")


def _ranks_given(values: Floats, other: Floats) -> Floats:
    """Return ranks with their straight dependence on the ranks of ``other`` taken out: Spearman's partial residual."""
    if len(values) < 3:
        return np.zeros(len(values))
    rank, base = stats.rankdata(values), stats.rankdata(other)
    centred, base = rank - rank.mean(), base - base.mean()
    scale = base @ base
    left: Floats = centred - base * (base @ centred / scale if scale else 0.0)
    # What rounding leaves of a rank that is nothing but size must not pass for information.
    return left if np.abs(left).max() > 1e-9 * len(values) else np.zeros(len(values))


def _pearson(x: Floats, y: Floats) -> float:
    if len(x) < 3 or np.ptp(x) < 1e-12 or np.ptp(y) < 1e-12:
        return float("nan")
    return float(stats.pearsonr(x, y).statistic)


def _spearman(x: Floats, y: Floats) -> float:
    return _pearson(stats.rankdata(x), stats.rankdata(y))


def _ceiling(truth: SubsetLosses, large: NDArray[np.bool_]) -> float:
    gain, error = truth.gain()[large], truth.gain_error()[large]
    values = []
    for column in range(gain.shape[1]):
        rows = np.isfinite(gain[:, column]) & np.isfinite(error[:, column])
        variance = gain[rows, column].var(ddof=1) if rows.sum() > 2 else 0.0
        if variance > 0:
            values.append(np.sqrt(max(0.0, 1.0 - np.mean(error[rows, column] ** 2) / variance)))
    return float(np.mean(values)) if values else float("nan")


def _plain(value: float | str) -> float | str | None:
    return value if isinstance(value, str) or np.isfinite(value) else None
