"""Problems described in a TOML file beside their data."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_type_hints

from cotrain import checks
from cotrain.checks import Findings
from cotrain.errors import InputError
from cotrain.problem.options import NetworkOptions, TrainingOptions
from cotrain.problem.problem import Problem
from cotrain.problem.readers.graph import GraphOptions, read_graph
from cotrain.problem.readers.npz import read_npz
from cotrain.problem.readers.options import ReaderOptions
from cotrain.problem.readers.plain_values import describe, fits
from cotrain.problem.readers.table import MissingInputs, read_table
from cotrain.problem.validation import existing_file

TABLE_KEYS: dict[str, Any] = {
    "targets": list[str],
    "inputs": list[str],
    "ignore": list[str],
    "missing_inputs": MissingInputs,
}
NPZ_KEYS: dict[str, Any] = {"targets": list[str], "standardise": bool}
GRAPH_KEYS: dict[str, Any] = {"targets": list[str], "graph": GraphOptions}
SECTIONS: dict[str, type[NetworkOptions | TrainingOptions | GraphOptions]] = {
    "graph": GraphOptions,
    "network": NetworkOptions,
    "training": TrainingOptions,
}


def read_toml(path: str | Path) -> Problem:
    """Return the problem a TOML file describes; see ``Problem.from_toml``."""
    path = existing_file("path", path)
    return read_recipe(load_toml(path), path.resolve().parent)


def load_toml(path: Path) -> dict[str, Any]:
    """Return the content of a TOML file.

    Raises
    ------
    InputError
        When it is no valid TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"`path` must be valid TOML. '{path}': {error}.") from None


def read_recipe(content: Mapping[str, Any], folder: Path) -> Problem:
    """Return the problem that ``content`` describes, such as a ``Problem.recipe``; relative paths start at ``folder``.

    Raises
    ------
    InputError
        With everything wrong in ``content`` and in the data it names.
    """
    found, given = Findings(), dict[str, Any]()
    reader = _reader(content)
    hints = {"data": str, **reader, **get_type_hints(ReaderOptions), "split": str, **SECTIONS}
    if reader is GRAPH_KEYS:
        del hints["split"]  # a graph's file says which nodes are in which
    for name in _known("", content, hints, found):
        if name in SECTIONS:
            given[name] = _section(name, content[name], found)
        elif fits(content[name], hints[name]):
            given[name] = content[name]
        else:
            found.append(_mistyped(name, content[name], hints[name]))
    needed = ("data", "targets") if reader is TABLE_KEYS else ("data",)
    found.extend(f"`{name}` is missing. Every problem file needs it." for name in needed if name not in content)
    if any(name not in given for name in needed):
        raise InputError(found)
    try:
        problem = _read(folder / given.pop("data"), given, reader)
    except InputError as error:
        raise InputError([*found, *error.problems]) from None
    found.refuse()
    return problem


def _reader(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the keys of the reader that is meant, which tell the readers apart."""
    if "graph" in content:
        return GRAPH_KEYS
    return NPZ_KEYS if str(content.get("data", "")).endswith(".npz") else TABLE_KEYS


def _read(path: Path, given: Mapping[str, Any], reader: Mapping[str, Any]) -> Problem:
    own = {name: value for name, value in given.items() if name in reader}
    options = ReaderOptions(**{name: value for name, value in given.items() if name not in reader})
    if reader is GRAPH_KEYS:
        return read_graph(path, options, GraphOptions(**own.pop("graph")), **own)
    return read_npz(path, options, **own) if reader is NPZ_KEYS else read_table(path, options, **own)


def _section(name: str, content: Any, found: Findings) -> dict[str, Any]:
    """Return the valid entries of ``[graph]``, ``[network]`` or ``[training]``."""
    if not isinstance(content, Mapping):
        found.append(f"`{name}` must be a section, [{name}]. Found {content!r}.")
        return {}
    kind, given = SECTIONS[name], dict[str, Any]()
    hints = get_type_hints(kind)
    for key in sorted(_known(f"{name}.", content, hints, found), key=list(hints).index):
        if not fits(content[key], hints[key]):
            found.append(_mistyped(f"{name}.{key}", content[key], hints[key]))
            continue
        with found.gather():
            kind(**given, **{key: content[key]})
            given[key] = content[key]
    return given


def _known(prefix: str, content: Mapping[str, Any], known: Mapping[str, Any], found: Findings) -> list[str]:
    """Return the known keys of ``content`` and note the others."""
    unknown = [key for key in content if key not in known]
    found.extend(f"`{prefix}{key}` is no known key.{_nearest(key, known)}" for key in unknown)
    return [key for key in content if key in known]


def _nearest(key: str, known: Mapping[str, Any]) -> str:
    return checks.did_you_mean(key, known) or f" Known: {', '.join(known)}."


def _mistyped(name: str, value: Any, hint: Any) -> str:
    return f"`{name}` must be {describe(hint)}. Found {value!r}."
