"""The folder of one run: which run it belongs to, what is finished in it, one process at a time."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cotrain.errors import InputError, MismatchError

RECORD, STAGES, LOCK = "run.toml", "stages.json", ".lock"
_HEADLINE = "# What this folder holds. To run it again: cotrain run run.toml --out ELSEWHERE\n"
_DATA = {"fingerprint": "the data, tasks or training options", "network": "the network"}


class RunFolder:
    """A folder that holds one run and nothing else.

    Parameters
    ----------
    path
        Created when :meth:`opened`.
    record
        What the run is, as plain values; :data:`RECORD` holds it. Two records are of one run when their ``settings``
        and ``data`` are equal.
    """

    def __init__(self, path: Path, record: Mapping[str, Any]) -> None:
        self.path = path
        self.record = record

    def refuse_unfit(self) -> None:
        """Refuse a folder that holds something else; nothing is written."""
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"`out` must be a folder. '{self.path}' is a file.")
        if not self.path.is_dir() or not _content(self.path):
            return
        if not (self.path / RECORD).is_file():
            raise InputError(f"`out` must be a new or empty folder, or that of a run. '{self.path}' holds other files.")
        changed = differences(read_record(self.path / RECORD), self.record)
        if changed:
            raise MismatchError(
                f"`out` holds another run: '{self.path}'. Choose another folder, or give the same again. "
                f"It differs in {'; '.join(changed)}."
            )

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Hold the folder for this process alone; create it where it is new.

        Raises
        ------
        InputError
            When another process works in it.
        """
        from filelock import FileLock, Timeout

        self.refuse_unfit()
        existed = self.path.exists()
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.path / LOCK, timeout=0):
                self.refuse_unfit()
                _remove_partial(self.path)
                self._write_record(existed=existed)
                yield
        except Timeout:
            raise InputError(
                f"`out` is in use: another cotrain works in '{self.path}'. Wait for it or stop it."
            ) from None

    def has(self, name: str) -> bool:
        """Return whether the stage that leaves the file ``name`` is finished.

        Raises
        ------
        MismatchError
            When the file is not what the stage left.
        """
        path = self.path / name
        recorded = self._stages().get(name)
        if recorded is None or not path.exists():
            return False
        if _digest(path) != recorded:
            raise MismatchError(
                f"'{path}' is not as this run left it: damaged, edited or from another run. "
                "Delete it to have its stage done again, or choose another folder."
            )
        return True

    def keep(self, name: str, save: Callable[[Path], object]) -> None:
        """Save the file of a finished stage and note that it is finished."""
        from cotrain import files

        save(self.path / name)
        stages = {**self._stages(), name: _digest(self.path / name)}
        files.write_text(self.path / STAGES, json.dumps(stages, indent=2))

    def _stages(self) -> dict[str, str]:
        path = self.path / STAGES
        if not path.exists():
            return {}
        try:
            content = json.loads(path.read_text())
            return {str(name): str(digest) for name, digest in content.items()}
        except (ValueError, AttributeError):
            raise MismatchError(f"'{path}' is damaged. Delete it to have the run's stages done again.") from None

    def _write_record(self, *, existed: bool) -> None:
        import tomli_w

        from cotrain import files

        if (self.path / RECORD).exists():
            return
        try:
            files.write_text(self.path / RECORD, _HEADLINE + tomli_w.dumps(self.record))
        except OSError:
            if not existed:
                self._remove_empty()
            raise

    def _remove_empty(self) -> None:
        with suppress(OSError):
            (self.path / LOCK).unlink(missing_ok=True)
            self.path.rmdir()


def read_record(path: Path) -> dict[str, Any]:
    """Read a run.toml.

    Raises
    ------
    InputError
        When it is missing, damaged, or another kind of file.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"'{path}' does not exist. A run leaves a {RECORD} in its folder.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"'{path}' is damaged ({error}). Delete the folder or choose another.") from None
    if not {"settings", "data"} <= set(content):
        raise InputError(
            f"'{path}' must be written by a run, with tables [settings] and [data]. Found {sorted(content)}."
        )
    return content


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return which settings differ between two records, and whether the data do, as phrases."""
    before, after = (_flat(record["settings"]) for record in (old, new))
    changed = [
        f"`{name}` (there: {before.get(name, 'not set')}, now: {after.get(name, 'not set')})"
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]
    return changed or [phrase for name, phrase in _DATA.items() if old["data"].get(name) != new["data"].get(name)]


def _flat(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Bring sections beside the other settings; where the data lie makes no difference, their content does."""
    flat: dict[str, Any] = {}
    for name, value in content.items():
        inner = prefix if name == "problem" else f"{prefix}{name}."
        flat |= _flat(value, inner) if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return {name: value for name, value in flat.items() if name not in {"data", "name"}}


def _content(folder: Path) -> list[Path]:
    return [entry for entry in folder.iterdir() if entry.name != LOCK and entry.suffix != ".part"]


def _remove_partial(folder: Path) -> None:
    """Remove what a killed process was writing."""
    for path in folder.rglob(".*.part"):
        path.unlink()


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
