"""The result of grouping: who trains with whom, who serves whom, and how good that is known to be."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeAlias

import pandas as pd

from cotrain import checks, files
from cotrain.errors import InputError
from cotrain.problem.task import Subset

Proof: TypeAlias = Literal["exact", "certified", "heuristic", "given"]
_KIND = "Grouping"


@dataclass(frozen=True)
class Grouping:
    """Groups of tasks, one network each, and the group that serves each task.

    Parameters
    ----------
    tasks
        Names of all tasks, in the problem's order.
    groups
        Sorted subsets; a group may hold helper tasks that another group serves.
    serving
        Task name -> position in ``groups`` of the network that predicts it.
    objective
        Value of the grouping under the grouper's objective; higher is better.
    bound
        Proven upper bound on that objective; equal to it when the grouping is optimal, infinite when none is known.
    proof
        ``"exact"`` (optimal), ``"certified"`` (bound known), ``"heuristic"`` (no useful bound), ``"given"`` (by hand).
    method
        Name of the grouper.
    status
        What the solver said.
    notes
        Remarks for the reader, such as how the number of groups was chosen.
    citation
        BibTeX of the method.

    Examples
    --------
    >>> grouping = Grouping.from_groups([["a", "b"], ["c"]])
    >>> grouping
    Grouping('given': {a, b} {c})
    >>> grouping.group_of("c")
    ('c',)
    """

    tasks: tuple[str, ...]
    groups: tuple[Subset, ...]
    serving: Mapping[str, int]
    objective: float = float("nan")
    bound: float = float("inf")
    proof: Proof = "given"
    method: str = "given"
    status: str = ""
    notes: tuple[str, ...] = ()
    citation: str = ""
    diagnostics: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        checks.unique("tasks", self.tasks)
        for task, position in self.serving.items():
            if not 0 <= position < len(self.groups) or task not in self.groups[position]:
                raise InputError(f"`serving` must send task '{task}' to a group that holds it. Found group {position}.")
        if empty := [position for position, group in enumerate(self.groups) if not group]:
            raise InputError(f"`groups` must each hold a task. Found none in {empty} (counted from 0): leave them out.")
        unknown = sorted({name for group in self.groups for name in group} - set(self.tasks))
        if unknown:
            raise InputError(f"`groups` must hold known tasks only. Found {unknown}.")

    def __repr__(self) -> str:
        listed = " ".join("{" + ", ".join(group) + "}" for group in self.groups)
        return f"Grouping({self.method!r}: {listed})"

    def _repr_html_(self) -> str:
        html: str = self.to_frame().to_html(index=False, escape=True)
        return html

    @classmethod
    def from_groups(cls, groups: Iterable[Iterable[str]], *, tasks: Iterable[str] = (), **fields: Any) -> Grouping:
        """Make a grouping by hand; a task in several groups is served by the first of them."""
        subsets = tuple(tuple(sorted(set(group))) for group in groups)
        serving: dict[str, int] = {}
        for position, subset in enumerate(subsets):
            for name in subset:
                serving.setdefault(name, position)
        return cls(tuple(tasks) or tuple(sorted(serving)), subsets, serving, **fields)

    @cached_property
    def gap(self) -> float:
        """Relative distance of the objective to its bound; zero when proven optimal."""
        return (
            (self.bound - self.objective) / max(abs(self.bound), 1e-12) if self.bound < float("inf") else float("inf")
        )

    def group_of(self, task: str) -> Subset:
        """Return the group that serves ``task``."""
        checks.one_of("task", task, tuple(self.serving))
        return self.groups[self.serving[task]]

    def to_frame(self) -> pd.DataFrame:
        """Return one row per task: task, group (a number), members of the group."""
        rows = [(task, position, ", ".join(self.groups[position])) for task, position in self.serving.items()]
        return pd.DataFrame(rows, columns=["task", "group", "members"])

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Save as JSON."""
        path = Path(path)
        files.refuse_overwriting(path, overwrite=overwrite)
        files.write_text(path, json.dumps({"kind": _KIND, **asdict(self)}, indent=2))

    @classmethod
    def load(cls, path: str | Path) -> Grouping:
        """Load what :meth:`save` saved.

        Raises
        ------
        InputError
            When the file is missing, damaged, or holds something else.
        """
        try:
            content = json.loads(Path(path).read_text())
            if content.pop("kind") != _KIND:
                raise KeyError("kind")
            groups = tuple(tuple(group) for group in content.pop("groups"))
            tasks, notes = tuple(content.pop("tasks")), tuple(content.pop("notes"))
            return cls(tasks=tasks, groups=groups, notes=notes, **content)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"`path` must be a saved {_KIND}. '{path}' is not ({error}).") from None
