"""From the arguments of a command to a run that is known to be possible, before anything is written."""

from __future__ import annotations

import argparse
import platform
import tomllib
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cotrain._version import __version__
from cotrain.cli import problem_source
from cotrain.cli.console import Console
from cotrain.cli.options import given_settings
from cotrain.cli.run_folder import RECORD, RunFolder, differences, read_record
from cotrain.cli.run_settings import RunSettings
from cotrain.cli.stages import Stages
from cotrain.errors import InputError, MismatchError


@dataclass(frozen=True)
class RunRequest:
    """What to run and where; ``replays`` is the record of the run that it repeats."""

    settings: RunSettings
    out: Path
    replays: dict[str, Any] | None = None

    def checked(self, console: Console) -> Stages:
        """Return the run's stages after every check that can be made without writing.

        Raises
        ------
        InputError
            When settings, problem or folder cannot be used.
        """
        self.settings.refuse_bad()
        problem = problem_source.read_problem(self.settings.problem)
        self.settings.refuse_unfit(problem)
        settings = replace(self.settings, problem=problem_source.resolved(self.settings.problem, problem))
        record = _record(settings, problem_source.identity(problem))
        if self.replays:
            _compare(self.replays, record, console)
        folder = RunFolder(self.out, record)
        folder.refuse_unfit()
        return Stages(problem, settings, folder, console)


def request_run(arguments: argparse.Namespace, **fixed: Any) -> RunRequest:
    """Read what the arguments ask for; a run.toml as problem replays that run, with what else is given changed."""
    given = {**given_settings(arguments), **fixed}
    source = problem_source.source_of(arguments)
    if source is None or not _is_record(source):
        problem = problem_source.describe(source, arguments)
        return RunRequest(RunSettings(problem=problem, **given), _out(arguments.out))
    replays = read_record(source)
    settings = replace(RunSettings.from_dict(replays["settings"]), **given)
    problem = problem_source.merged(settings.problem, problem_source.given_options(arguments))
    return RunRequest(replace(settings, problem=problem), Path(arguments.out or source.parent), replays)


def _out(folder: str | None) -> Path:
    if not folder:
        raise InputError("`out` must name the folder of the run. Give --out FOLDER.")
    return Path(folder)


def _is_record(path: Path) -> bool:
    if path.suffix != ".toml" or not path.is_file():
        return False
    try:
        return {"settings", "data"} <= set(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return path.name == RECORD


def _record(settings: RunSettings, data: dict[str, str]) -> dict[str, Any]:
    import tomli_w

    record = {
        "settings": settings.to_dict(),
        "data": data,
        "versions": _versions(),
        "started": datetime.now(UTC).replace(microsecond=0),
    }
    return tomllib.loads(tomli_w.dumps(record))


def _versions() -> dict[str, str]:
    import numpy as np
    import torch

    return {
        "cotrain": __version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
    }


def _compare(old: dict[str, Any], new: dict[str, Any], console: Console) -> None:
    """Refuse to replay the same problem on other data; mention other versions."""
    changed = differences({**old, "settings": {}}, {**new, "settings": {}})
    if changed and old["settings"]["problem"] == new["settings"]["problem"]:
        raise MismatchError(
            f"`problem` is no longer what the run was made with: {', '.join(changed)} have changed. "
            "Restore them, or start a new run."
        )
    then, now = old.get("versions", {}), new["versions"]
    for name in sorted(set(then) & set(now)):
        if then[name] != now[name]:
            console.say(f"note: the run was made with {name} {then[name]}, this is {now[name]}; figures may differ")
