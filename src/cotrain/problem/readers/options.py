"""What all readers let the user decide."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypedDict

from cotrain import checks
from cotrain.errors import InputError
from cotrain.problem.options import NetworkOptions, TrainingOptions
from cotrain.problem.task import KINDS, Kind


class ReaderKeywords(TypedDict, total=False):
    """The fields of :class:`ReaderOptions` as keywords, for type checkers."""

    kinds: Mapping[str, Kind] | Kind | None
    split: Any
    fractions: tuple[float, float, float]
    seed: int
    metrics: Mapping[str, str]
    weights: Mapping[str, float]
    helpers: Collection[str]
    unusable: Literal["refuse", "drop"]
    network: NetworkOptions | Mapping[str, Any] | None
    training: TrainingOptions | Mapping[str, Any] | None
    name: str | None


@dataclass(frozen=True)
class ReaderOptions:
    """Keywords that every reader takes.

    Parameters
    ----------
    kinds
        Kind by target, or one kind for all; those not named are inferred
        (:func:`~cotrain.problem.targets.infer_kind`).
    split
        Where the split stands: a column of a table, an array of codes, an array's name in an NPZ file. Codes are
        0 train, 1 validation, 2 test. None: a seeded, stratified one.
    fractions
        Shares of train, validation and test in a seeded split.
    seed
        Of the seeded split.
    metrics, weights
        Metric and loss weight by target, where not the default.
    helpers
        Targets that may join groups but need not be served.
    unusable
        What to do with targets that are constant, empty or all missing in a split: refuse the data, or drop them with
        a warning.
    network, training
        By default from the size of the data (:mod:`cotrain.problem.defaults`); a mapping changes some fields of that.
    name
        Of the problem; the file's name by default.
    """

    kinds: Mapping[str, Kind] | Kind | None = None
    split: Any = None
    fractions: tuple[float, float, float] = (0.6, 0.2, 0.2)
    seed: int = 0
    metrics: Mapping[str, str] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)
    helpers: Collection[str] = ()
    unusable: Literal["refuse", "drop"] = "refuse"
    network: NetworkOptions | Mapping[str, Any] | None = None
    training: TrainingOptions | Mapping[str, Any] | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        checks.one_of("unusable", self.unusable, ("refuse", "drop"))
        if isinstance(self.kinds, str):
            checks.one_of("kinds", self.kinds, KINDS)
        for parameter, kind in (("network", NetworkOptions), ("training", TrainingOptions)):
            given = getattr(self, parameter)
            for name in given if isinstance(given, Mapping) else ():
                checks.one_of(parameter, name, [one.name for one in fields(kind)])

    def kind_of(self, target: str) -> Kind | None:
        """Return the declared kind of a target, None where it is to be inferred."""
        if self.kinds is None or isinstance(self.kinds, str):
            return self.kinds
        return self.kinds.get(target)

    @property
    def split_name(self) -> str | None:
        """Where a reader that looks up the split by name finds it."""
        if self.split is not None and not isinstance(self.split, str):
            raise InputError(f"`split` must be a name in the data. Found {type(self.split).__name__}.")
        return self.split or None
