"""What is written beside the adapters: which group serves a task, and how texts are read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cotrain.errors import InputError
from cotrain.files import write_text
from cotrain.models.text.backbone import TextForm
from cotrain.models.text.encoder import Pooling
from cotrain.problem.task import Kind, Subset, Task

_FILE = "routes.json"


@dataclass(frozen=True)
class Routes:
    """Everything that prediction needs beside model, tokenizer and weights.

    Parameters
    ----------
    form
        What is predicted.
    max_length, pooling
        As the problem was read.
    digest
        Of the frozen model.
    groups
        Tasks of each adapter, in the order of its heads.
    serving
        Task -> position of the group that serves it.
    tasks
        How outputs become labels, by task.
    """

    form: TextForm
    max_length: int
    pooling: Pooling
    digest: str
    groups: tuple[Subset, ...]
    serving: Mapping[str, int]
    tasks: Mapping[str, Task]

    @staticmethod
    def adapter(position: int) -> str:
        """Return the name of a group's adapter and of its folder."""
        return f"group-{position}"

    def tasks_of(self, position: int) -> tuple[Task, ...]:
        """Return the tasks of a group."""
        return tuple(self.tasks[name] for name in self.groups[position])

    def save(self, folder: Path) -> None:
        """Write them into a folder."""
        fields = asdict(self) | {"tasks": {name: _fields(task) for name, task in self.tasks.items()}}
        write_text(folder / _FILE, json.dumps(fields, indent=2))

    @classmethod
    def load(cls, folder: Path) -> Routes:
        """Read what :meth:`save` wrote.

        Raises
        ------
        InputError
            When the folder holds none.
        """
        try:
            fields: dict[str, Any] = json.loads((folder / _FILE).read_text())
            groups = tuple(tuple(group) for group in fields.pop("groups"))
            tasks = {name: _task(name, own) for name, own in fields.pop("tasks").items()}
            return cls(groups=groups, tasks=tasks, **fields)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"`folder` must hold saved adapters. '{folder}' does not ({error}).") from None


def _fields(task: Task) -> dict[str, Any]:
    return {name: getattr(task, name) for name in ("kind", "classes", "center", "scale", "labels")}


def _task(name: str, fields: dict[str, Any]) -> Task:
    kind: Kind = fields.pop("kind")
    return Task(name, kind, labels=tuple(fields.pop("labels")), **fields)
