"""A task: one thing to predict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Literal, TypeAlias

from torch import Tensor

from cotrain import checks
from cotrain.errors import InputError

Kind: TypeAlias = Literal["binary", "multiclass", "regression", "sequence"]
Subset: TypeAlias = tuple[str, ...]
"""Names of the tasks that train together, sorted, so that equal sets are equal tuples."""
RowLoss: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""Maps outputs ``(n, ...)`` and targets ``(n,)`` of one task to losses ``(n,)``."""

KINDS: tuple[Kind, ...] = ("binary", "multiclass", "regression", "sequence")
METRICS: dict[Kind, tuple[str, ...]] = {
    "binary": ("auc", "accuracy", "f1", "average_precision"),
    "multiclass": ("accuracy", "f1"),
    "regression": ("r2", "mae", "rmse"),
    "sequence": ("perplexity", "loss"),
}
"""Metrics by kind; the first is the default."""


@dataclass(frozen=True)
class Task:
    r"""One thing to predict.

    Parameters
    ----------
    name
        Unique within its problem.
    kind
        ``"binary"`` (targets 0/1, cross-entropy), ``"multiclass"`` (targets 0..classes-1, cross-entropy),
        ``"regression"`` (standardised targets, squared error) or ``"sequence"``: a row is many predictions (tokens,
        pixels) that the network, which sees what is true, turns into the margin :math:`u` whose loss
        :math:`\log(1 + e^{-u})` is that of the row (:func:`~cotrain.problem.losses.margin_of_loss`); targets are 1.
    classes
        Number of classes of a multiclass task.
    metric
        What the verdict reports beside the loss; the first of :data:`METRICS` by default.
    weight
        Weight of this task's mean loss when it trains with others.
    helper
        A helper may join groups but is never served and never counted in a verdict.
    loss
        Replaces the kind's loss per row; called with this task's outputs and targets.
    center, scale
        A regression target in its own unit is ``center + scale * target``.
    labels
        Names of the classes as the data had them, in the order of their codes.

    Examples
    --------
    >>> Task("height", "regression").metric
    'r2'
    """

    name: str
    kind: Kind = "binary"
    classes: int = 2
    metric: str = ""
    weight: float = 1.0
    helper: bool = False
    loss: RowLoss | None = None
    center: float = 0.0
    scale: float = 1.0
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        checks.one_of("kind", self.kind, KINDS)
        if not self.name:
            raise InputError("`name` of a task must not be empty. Give every task a name.")
        if not self.metric:
            object.__setattr__(self, "metric", METRICS[self.kind][0])
        checks.one_of("metric", self.metric, METRICS[self.kind])
        if self.kind == "multiclass":
            checks.at_least("classes", self.classes, 2)
        if not self.weight > 0:
            raise InputError(f"`weight` of task '{self.name}' must be positive. Found {self.weight}.")

    @property
    def width(self) -> int:
        """Number of output columns a default head needs."""
        return self.classes if self.kind == "multiclass" else 1

    @property
    def described(self) -> str:
        """Its fields as text that is the same in every process; a loss of its own by its qualified name."""
        own = self.loss if self.loss is None or hasattr(self.loss, "__qualname__") else type(self.loss)
        name = None if own is None else f"{own.__module__}.{own.__qualname__}"
        return repr({**asdict(replace(self, loss=None)), "loss": name})
