"""Estimators by name."""

from __future__ import annotations

from cotrain.affinity.base import Estimator
from cotrain.affinity.grad_tag import GradTAG

ESTIMATORS: dict[str, type[Estimator]] = {GradTAG.name: GradTAG}
"""What ``cotrain.estimate(method=...)`` accepts."""
