"""How a problem's networks are built by default and how they are trained: plain, comparable values."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from cotrain import checks


@dataclass(frozen=True)
class NetworkOptions:
    """The default network: a shared multilayer perceptron with one linear head per task.

    Parameters
    ----------
    hidden
        Widths of the shared layers. Empty: a linear model.
    dropout
        Probability of dropping a hidden unit while training.
    """

    hidden: tuple[int, ...] = (64,)
    dropout: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", tuple(self.hidden))
        for width in self.hidden:
            checks.at_least("hidden", width, 1)
        checks.within("dropout", self.dropout, 0.0, 0.99)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        return {**asdict(self), "hidden": list(self.hidden)}


@dataclass(frozen=True)
class TrainingOptions:
    """How one network is trained on one subset of tasks.

    The loss is the mean over tasks of their mean losses over observed rows, each task weighted by its ``weight``.

    Parameters
    ----------
    optimizer
        ``"adamw"`` or ``"sgd"`` (momentum .9).
    learning_rate, weight_decay
        Of the optimizer.
    batch_size
        Rows per step.
    epochs
        The most passes over the training rows.
    patience
        Epochs without a better validation loss before training stops; the best weights are kept.
    """

    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float = 3e-3
    weight_decay: float = 1e-4
    batch_size: int = 128
    epochs: int = 200
    patience: int = 15

    def __post_init__(self) -> None:
        checks.one_of("optimizer", self.optimizer, ("adamw", "sgd"))
        checks.at_least("learning_rate", self.learning_rate, 0.0)
        checks.at_least("weight_decay", self.weight_decay, 0.0)
        for name in ("batch_size", "epochs", "patience"):
            checks.at_least(name, getattr(self, name), 1)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        return asdict(self)
