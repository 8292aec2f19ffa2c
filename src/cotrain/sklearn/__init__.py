"""scikit-learn estimators for tables with many targets: group the targets, train one network per group, predict."""

from cotrain.sklearn.classifier import TaskGroupingClassifier
from cotrain.sklearn.regressor import TaskGroupingRegressor

__all__ = ["TaskGroupingClassifier", "TaskGroupingRegressor"]
