"""Regression of many targets at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score

from cotrain.problem.columns import as_column, as_numbers
from cotrain.problem.targets import Target
from cotrain.sklearn.base import TaskGroupingEstimator
from cotrain.sklearn.label_form import LabelForm
from cotrain.sklearn.outputs import Output, read_numbers


class TaskGroupingRegressor(RegressorMixin, TaskGroupingEstimator):  # type: ignore[misc] # scikit-learn has no types
    """Predict numbers of many targets, with one network for every group of targets that help each other.

    Targets are standardised for training and predicted in their own units; labels may be missing. A target with too few
    labels to learn from is predicted by its mean, with a warning.

    Parameters
    ----------
    networks, method, grouper, network, training, seeds, validation_fraction, test_fraction, random_draws, random_state
        As in :class:`TaskGroupingClassifier`.
    device
        Where networks train; they predict on the CPU.

    Attributes
    ----------
    grouping_, affinity_, verdict_, n_outputs_, n_features_in_, feature_names_in_
        As in :class:`TaskGroupingClassifier`.

    Examples
    --------
    >>> from sklearn.datasets import make_regression
    >>> X, Y = make_regression(n_samples=120, n_features=6, n_targets=3, random_state=0)
    >>> regressor = TaskGroupingRegressor(networks=2).fit(X, Y)
    >>> regressor.score(X, Y) > 0.8
    True
    """

    def predict(self, X: Any) -> Any:
        """Return the value of every target, in the container that ``y`` had."""
        found = self._predicted(X)
        return self._form.wrap(found, X)

    def score(self, X: Any, y: Any) -> float:
        """Return the coefficient of determination over observed labels, mean over targets."""
        scores = []
        for predicted, column in zip(self._predicted(X), LabelForm.of(y).columns(y), strict=True):
            true = as_numbers(as_column(column))
            seen = ~np.isnan(true)
            if seen.any():
                scores.append(r2_score(true[seen], predicted[seen]))
        return float(np.mean(scores))

    def _read(self, name: str, column: NDArray[Any]) -> tuple[Output, Target]:
        return read_numbers(name, column)
