"""Classification of many targets at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from cotrain.problem.targets import Target
from cotrain.sklearn.base import TaskGroupingEstimator
from cotrain.sklearn.label_form import LabelForm
from cotrain.sklearn.outputs import Output, read_classes


class TaskGroupingClassifier(ClassifierMixin, TaskGroupingEstimator):  # type: ignore[misc] # scikit-learn has no types
    """Predict classes of many targets, with one network for every group of targets that help each other.

    :meth:`fit` estimates who helps whom, groups the targets and trains one small network per group; inputs are
    standardised, labels may be missing. A target with too few labels to learn from is predicted by its most common
    class, with a warning.

    Parameters
    ----------
    networks
        How many networks at most; by default as many as targets, and fewer where held-out losses favour that.
    method, grouper
        Name or object, as in :func:`cotrain.estimate` and :func:`cotrain.group`.
    network, training
        Fields of :class:`~cotrain.problem.NetworkOptions` and :class:`~cotrain.problem.TrainingOptions` as a mapping,
        or the objects; what is not named follows the size of the data.
    seeds
        Networks per group; predictions are their mean.
    validation_fraction
        Share of rows for early stopping and for the estimate, stratified over all targets.
    test_fraction
        Share of rows kept for ``verdict_``; with 0, the default, there is none and alternatives are not trained.
    random_draws
        Random groupings that the verdict compares with.
    random_state
        Seed, generator or None.
    device
        Where networks train; they predict on the CPU.

    Attributes
    ----------
    grouping_
        :class:`~cotrain.Grouping` of the targets that can be learned.
    affinity_
        :class:`~cotrain.Affinity` it came from; zeros where there is one target.
    verdict_
        :class:`~cotrain.evaluation.verdict.Verdict` on test rows, where ``test_fraction`` is positive.
    classes_
        Labels of the target, or a list of those of each.
    n_outputs_, n_features_in_, feature_names_in_
        As in scikit-learn.

    Notes
    -----
    Cost: one training of all targets per base network, the estimate, and one training per group and seed; with a
    verdict, also ``random_draws + 2`` times the latter.

    Examples
    --------
    >>> from sklearn.datasets import make_multilabel_classification
    >>> X, Y = make_multilabel_classification(n_samples=120, n_classes=3, random_state=0)
    >>> classifier = TaskGroupingClassifier(networks=2, training={"epochs": 20}).fit(X, Y)
    >>> classifier.predict(X).shape, len(classifier.grouping_.groups) <= 2
    ((120, 3), True)
    """

    def predict(self, X: Any) -> Any:
        """Return the most probable class of every target, in the container and the type that ``y`` had."""
        found = self._predicted(X)
        pairs = zip(self._outputs, found, strict=True)
        return self._form.wrap([_classes(output)[share.argmax(axis=1)] for output, share in pairs], X)

    def predict_proba(self, X: Any) -> NDArray[np.float64] | list[NDArray[np.float64]]:
        """Return probabilities ``(rows, classes)``, or a list of such arrays where ``y`` had two dimensions."""
        found = self._predicted(X)
        return found[0] if self._form.flat else found

    def score(self, X: Any, y: Any) -> float:
        """Return the accuracy over observed labels, mean over targets."""
        found = self._predicted(X)
        scores = []
        for output, share, column in zip(self._outputs, found, LabelForm.of(y).columns(y), strict=True):
            seen = ~np.asarray(pd.isna(column))
            if seen.any():
                scores.append(np.mean(_classes(output)[share.argmax(axis=1)][seen] == column[seen]))
        return float(np.mean(scores))

    @property
    def classes_(self) -> NDArray[Any] | list[NDArray[Any]]:
        """Labels of the target, or a list of those of each."""
        check_is_fitted(self)
        classes = [_classes(output) for output in self._outputs]
        return classes[0] if self._form.flat else classes

    def _read(self, name: str, column: NDArray[Any]) -> tuple[Output, Target]:
        return read_classes(name, column)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _classes(output: Output) -> NDArray[Any]:
    classes: NDArray[Any] = np.asarray(output.classes)
    return classes
