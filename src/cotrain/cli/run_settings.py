"""What a run is asked to do: plain values that a run.toml holds and replays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from cotrain import checks
from cotrain.errors import InputError

if TYPE_CHECKING:
    from cotrain.grouping.grouping import Grouping
    from cotrain.problem.problem import Problem


@dataclass(frozen=True)
class RunSettings:
    """Every choice of a run; where and when it happens is not among them.

    Parameters
    ----------
    problem
        What is learned, in the form of a problem.toml.
    estimator, grouper
        Names of methods.
    networks
        How many networks may be deployed; chosen on held-out subsets when not given.
    groups, serving
        Groups chosen by hand and the position of the one that serves each task: nothing is estimated then.
    seeds, random_draws
        Of the verdict.
    seed
        The first seed; everything random derives from it.
    device
        Where networks train.
    """

    problem: Mapping[str, Any] = field(default_factory=dict)
    estimator: str = "calibrated"
    grouper: str = "auto"
    networks: int | None = None
    groups: tuple[tuple[str, ...], ...] = ()
    serving: Mapping[str, int] = field(default_factory=dict)
    seeds: int = 5
    random_draws: int = 10
    seed: int = 0
    device: str = "cpu"

    def to_dict(self) -> dict[str, Any]:
        """Return what is set as plain values that TOML can hold."""
        return {name: value for name, value in asdict(self).items() if value not in (None, (), {})}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> RunSettings:
        """Read what :meth:`to_dict` returns; unknown names are refused."""
        unknown = sorted(set(content) - {one.name for one in fields(cls)})
        if unknown:
            raise InputError(
                f"`settings` knows no {', '.join(unknown)}. Was the file edited or written by a newer cotrain?"
            )
        groups = tuple(tuple(group) for group in content.get("groups", ()))
        return cls(**{**content, "groups": groups})

    def refuse_bad(self) -> None:
        """Refuse bad values, all at once, before any data is read."""
        from cotrain.affinity.registry import ESTIMATORS
        from cotrain.execution.devices import find_device
        from cotrain.grouping.registry import AUTO, GROUPERS

        networks = 1 if self.networks is None else self.networks
        rules: tuple[Callable[[], object], ...] = (
            lambda: checks.at_least("networks", networks, 1),
            lambda: checks.at_least("seeds", self.seeds, 1),
            lambda: checks.at_least("random_draws", self.random_draws, 1),
            lambda: checks.at_least("seed", self.seed, 0),
            lambda: checks.one_of("estimator", self.estimator, tuple(ESTIMATORS)),
            lambda: checks.one_of("grouper", self.grouper, (AUTO, *GROUPERS)),
            lambda: find_device(self.device),
        )
        found = checks.Findings()
        for rule in rules:
            with found.gather():
                rule()
        found.refuse()

    def refuse_unfit(self, problem: Problem) -> None:
        """Refuse settings that do not fit the problem."""
        from cotrain.api import refuse_unserved

        tasks = len(problem.served)
        if self.networks is not None and self.networks > tasks:
            raise InputError(f"`networks` must be at most the number of tasks, {tasks}. Found {self.networks}.")
        if self.groups:
            refuse_unserved(problem, self.given_grouping())

    def given_grouping(self) -> Grouping:
        """Return the groups chosen by hand."""
        from cotrain.grouping.grouping import Grouping

        return Grouping(tuple(sorted(self.serving)), self.groups, self.serving)
