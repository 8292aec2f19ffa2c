"""Task metrics, as scikit-learn computes them."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from torch import Tensor

from cotrain.problem.task import Task
from sklearn import metrics as sk

LOWER_IS_BETTER = frozenset({"mae", "rmse", "perplexity", "loss"})


def task_metric(task: Task, outputs: Tensor, targets: Tensor) -> float:
    """Return the task's metric over its observed rows; NaN where it is not defined (AUC of a single class).

    Parameters
    ----------
    task
        Names the metric; regression metrics in error units are in the target's own unit.
    outputs
        ``(n, width)``: logits, predictions of standardised targets, or margins of sequences.
    targets
        ``(n,)`` with NaN for missing labels.

    Examples
    --------
    >>> task_metric(Task("a"), torch.tensor([[-1.0], [2.0], [0.5]]), torch.tensor([0.0, 1.0, float("nan")]))
    1.0
    """
    observed = ~torch.isnan(targets)
    predicted, true = outputs[observed].double().cpu().numpy(), targets[observed].double().cpu().numpy()
    if task.kind == "sequence":
        loss = float(F.softplus(-outputs[observed].double()).mean())
        return math.exp(loss) if task.metric == "perplexity" else loss
    if task.kind == "regression":
        return _regression_metric(task, predicted[:, 0], true)
    if task.metric in {"auc", "average_precision"}:
        if len(np.unique(true)) < 2:
            return float("nan")
        score = sk.roc_auc_score if task.metric == "auc" else sk.average_precision_score
        return float(score(true, predicted[:, 0]))
    labels = predicted.argmax(axis=1) if task.kind == "multiclass" else predicted[:, 0] > 0
    if task.metric == "accuracy":
        return float(np.mean(labels == true))
    return float(sk.f1_score(true, labels, average="macro" if task.kind == "multiclass" else "binary", zero_division=0))


def _regression_metric(task: Task, predicted: np.ndarray, true: np.ndarray) -> float:
    if task.metric == "r2":
        return float(sk.r2_score(true, predicted)) if len(true) > 1 else float("nan")
    if task.metric == "mae":
        return float(sk.mean_absolute_error(true, predicted) * task.scale)
    return float(sk.root_mean_squared_error(true, predicted) * task.scale)
