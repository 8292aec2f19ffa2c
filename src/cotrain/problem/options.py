"""How a problem's networks are built by default and how they are trained: plain, comparable values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from cotrain import checks
from cotrain.errors import InputError

WEIGHTINGS = ("equal", "uncertainty", "dwa", "gradnorm", "random")
AGGREGATIONS = (
    "mean",
    "pcgrad",
    "wpcgrad",
    "cagrad",
    "upgrad",
    "mgda",
    "imtl-g",
    "nash-mtl",
    "aligned-mtl",
    "gradvac",
    "graddrop",
    "config",
    "dualproj",
    "fairgrad",
    "bayes-agg",
    "selective",
)
PRECISIONS = ("float32", "bfloat16", "float16")
SCHEDULES = ("constant", "cosine", "exponential", "step", "plateau")


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
    weighting
        How tasks' losses are weighted, besides their own ``weight``: one of :data:`WEIGHTINGS`.
    aggregation
        How tasks' gradients become one step where weights are shared: one of :data:`AGGREGATIONS`, or an aggregator of
        TorchJD's (any module that maps a Jacobian ``(tasks, numbers)`` to a gradient ``(numbers,)``). ``"mean"`` is
        ordinary training.
    clip_norm
        Longer gradients are shortened to this norm; 0 leaves all as they are.
    precision
        ``"float32"``, or ``"bfloat16"`` or ``"float16"`` for torch's automatic mixed precision. The latter scales
        gradients, and so goes with plain ``weighting`` and ``aggregation`` only.
    schedule
        How the learning rate changes from epoch to epoch: one of :data:`SCHEDULES`, or a function that makes one of
        torch's schedulers for an optimizer.

    Examples
    --------
    >>> TrainingOptions().plain, TrainingOptions(aggregation="pcgrad").plain
    (True, False)
    """

    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float = 3e-3
    weight_decay: float = 1e-4
    batch_size: int = 128
    epochs: int = 200
    patience: int = 15
    weighting: str = "equal"
    aggregation: str | nn.Module = "mean"
    clip_norm: float = 0.0
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    schedule: str | Callable[[Optimizer], LRScheduler] = "constant"

    def __post_init__(self) -> None:
        checks.one_of("optimizer", self.optimizer, ("adamw", "sgd"))
        for name in ("learning_rate", "weight_decay", "clip_norm"):
            checks.at_least(name, getattr(self, name), 0.0)
        for name in ("batch_size", "epochs", "patience"):
            checks.at_least(name, getattr(self, name), 1)
        checks.one_of("weighting", self.weighting, WEIGHTINGS)
        checks.one_of("precision", self.precision, PRECISIONS)
        _named_or("aggregation", self.aggregation, AGGREGATIONS, isinstance(self.aggregation, nn.Module))
        _named_or("schedule", self.schedule, SCHEDULES, callable(self.schedule))
        if self.precision == "float16" and (self.weighting, self.aggregation) != ("equal", "mean"):
            raise InputError(
                "`precision` 'float16' goes with `weighting` 'equal' and `aggregation` 'mean' only. "
                f"Found '{self.weighting}' and '{self.aggregation}': choose 'bfloat16'."
            )

    @property
    def plain(self) -> bool:
        """Whether a step is the gradient of the mean loss and an optimizer step, and nothing else."""
        default = TrainingOptions()
        return all(getattr(self, name) == getattr(default, name) for name in _BEYOND_PLAIN)

    @property
    def described(self) -> str:
        """Its fields as text that is the same in every process."""
        return repr(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain values: modules as their text, functions by their qualified names."""
        return {own.name: _plain(getattr(self, own.name)) for own in fields(self)}


_BEYOND_PLAIN = ("weighting", "aggregation", "clip_norm", "precision", "schedule")


def _named_or(name: str, value: object, choices: tuple[str, ...], other: bool) -> None:
    if isinstance(value, str):
        checks.one_of(name, value, choices)
    elif not other:
        what = "a torch module" if name == "aggregation" else "a function of an optimizer"
        raise InputError(f"`{name}` must be a name or {what}. Found {value!r}.")


def _plain(value: Any) -> Any:
    if isinstance(value, nn.Module):
        return repr(value)
    return f"{value.__module__}.{value.__qualname__}" if callable(value) else value
