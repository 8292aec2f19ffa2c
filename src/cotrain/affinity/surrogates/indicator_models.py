"""One regression per task on who is in the subset: the linear and the kernel surrogate of the literature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge, RidgeCV

from cotrain.affinity.subset_losses import SubsetLosses
from cotrain.affinity.surrogates.gain_model import Floats, Prediction

_STRENGTHS = np.logspace(-2, 3, 11)


@dataclass(frozen=True, eq=False)
class RidgeSurrogate:
    r"""The linear surrogate: :math:`g_i(S) = c_i + \sum_{j \in S} \theta_{ij}`, one ridge regression for each task.

    The ridge strength is chosen by leave-one-out error, task by task. Li, Nguyen and Zhang, "Identification of Negative
    Transfers in Multitask Learning Using Surrogate Models", TMLR 2023.

    Parameters
    ----------
    tasks
        Task names, in column order.
    intercept, weights
        ``(tasks,)`` and ``(tasks, tasks)``.

    Examples
    --------
    >>> subsets = [("a",), ("b",), ("c",), ("a", "b"), ("a", "c"), ("a", "b", "c")]
    >>> losses = {subset: {task: 1.0 - 0.1 * ("b" in subset) for task in subset} for subset in subsets}
    >>> model = RidgeSurrogate.fit(SubsetLosses.from_dict(losses))
    >>> bool(model.predict(np.array([[True, True, False]])).gain[0, 0] > 0.05)
    True
    """

    kind: ClassVar[str] = "ridge"

    tasks: tuple[str, ...]
    intercept: Floats
    weights: Floats

    @classmethod
    def fit(cls, losses: SubsetLosses) -> RidgeSurrogate:
        """Learn from a table of losses that holds every task alone; a task seen with nobody gains nothing."""
        count = len(losses.tasks)
        intercept, weights = np.zeros(count), np.zeros((count, count))
        for task in range(count):
            subsets, gain = _seen(losses, task)
            if len(gain):
                strength = RidgeCV(_STRENGTHS).fit(subsets, gain).alpha_ if len(gain) > 2 else 1.0
                model = Ridge(strength).fit(subsets, gain)
                intercept[task], weights[task] = model.intercept_, model.coef_
        return cls(losses.tasks, intercept, weights)

    def predict(self, mask: NDArray[np.bool_]) -> Prediction:
        """Return the gains; a ridge regression knows no standard errors."""
        return _prediction(mask, self.intercept + mask @ self.weights.T)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return what :meth:`from_arrays` needs."""
        return {"tasks": np.array(self.tasks), "intercept": self.intercept, "weights": self.weights}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the surrogate that was saved."""
        return cls(tuple(arrays["tasks"].tolist()), arrays["intercept"], arrays["weights"])


@dataclass(frozen=True, eq=False)
class KernelSurrogate:
    r"""The kernel surrogate: :math:`g_i(S) = c_i + \sum_{S'} \alpha_{iS'} \exp(-d(S, S') / n)`.

    Kernel ridge regression for each task, where :math:`d` counts the tasks by which two subsets differ and :math:`n` is
    the number of tasks. "Kernel surrogate models", ICLR 2026 (arXiv 2602.03783).

    Parameters
    ----------
    tasks
        Task names, in column order.
    subsets
        ``(known subsets, tasks)``: where losses were known.
    intercept, weights
        ``(tasks,)`` and ``(tasks, known subsets)``.
    """

    kind: ClassVar[str] = "kernel"

    tasks: tuple[str, ...]
    subsets: NDArray[np.bool_]
    intercept: Floats
    weights: Floats

    @classmethod
    def fit(cls, losses: SubsetLosses, *, strength: float = 0.1) -> KernelSurrogate:
        """Learn from a table of losses that holds every task alone."""
        count = len(losses.tasks)
        intercept, weights = np.zeros(count), np.zeros((count, len(losses)))
        known = losses.mask & np.isfinite(losses.loss) & (losses.sizes > 1)[:, None]
        for task in np.flatnonzero(known.any(axis=0)):
            subsets, gain = _seen(losses, int(task))
            intercept[task] = gain.mean()
            model = KernelRidge(alpha=strength, kernel="rbf", gamma=1.0 / count).fit(subsets, gain - gain.mean())
            weights[task, known[:, task]] = model.dual_coef_
        return cls(losses.tasks, losses.mask, intercept, weights)

    def predict(self, mask: NDArray[np.bool_]) -> Prediction:
        """Return the gains; a kernel regression knows no standard errors."""
        differing = (mask[:, None, :] != self.subsets[None, :, :]).sum(axis=2)
        return _prediction(mask, self.intercept + np.exp(-differing / len(self.tasks)) @ self.weights.T)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return what :meth:`from_arrays` needs."""
        return {
            "tasks": np.array(self.tasks), "subsets": self.subsets, "intercept": self.intercept,
            "weights": self.weights,
        }  # fmt: skip

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the surrogate that was saved."""
        return cls(tuple(arrays["tasks"].tolist()), arrays["subsets"], arrays["intercept"], arrays["weights"])


def _seen(losses: SubsetLosses, task: int) -> tuple[Floats, Floats]:
    """Return the subsets in which a task was seen with others, and its gains there."""
    gain = losses.gain()[:, task]
    rows = losses.mask[:, task] & np.isfinite(gain) & (losses.sizes > 1)
    return losses.mask[rows].astype(np.float64), gain[rows]


def _prediction(mask: NDArray[np.bool_], gain: Floats) -> Prediction:
    alone = mask.sum(axis=1, keepdims=True) == 1
    return Prediction(np.where(mask, np.where(alone, 0.0, gain), np.nan), np.full(mask.shape, np.nan))
