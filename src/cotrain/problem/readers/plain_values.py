"""Whether values from a TOML file have the type that an option is annotated with."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin

_WORDS: dict[Any, str] = {
    str: "a text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    type(None): "absent",
}


def fits(value: Any, hint: Any) -> bool:
    """Return whether a plain value is of the type ``hint``; whole numbers are numbers, lists are any sequence.

    Examples
    --------
    >>> fits([64, 64], tuple[int, ...]), fits("64", int | float), fits(True, int)
    (True, False, False)
    """
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        return value in parts
    if origin in {Union, types.UnionType}:
        return any(fits(value, part) for part in parts)
    if origin is None:
        return isinstance(value, int | float if hint is float else hint) and isinstance(value, bool) == (hint is bool)
    if issubclass(origin, Mapping):
        return isinstance(value, Mapping) and all(fits(member, parts[1]) for member in value.values())
    if not isinstance(value, list):
        return False
    fixed = origin is tuple and parts[-1] is not Ellipsis
    return all(fits(member, parts[0]) for member in value) and (not fixed or len(value) == len(parts))


def describe(hint: Any) -> str:
    """Return the type in words.

    Examples
    --------
    >>> describe(tuple[float, float, float]), describe(Literal["refuse", "drop"])
    ('a list of 3 numbers', "'refuse' or 'drop'")
    """
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        return " or ".join(map(repr, parts))
    if origin in {Union, types.UnionType}:
        return ", or ".join(describe(part) for part in parts if part is not type(None))
    if origin is None:
        return _WORDS[hint]
    if issubclass(origin, Mapping):
        return f"a table whose values are each {describe(parts[1])}"
    count = f"{len(parts)} " if origin is tuple and parts[-1] is not Ellipsis else ""
    return f"a list of {count}{describe(parts[0]).removeprefix('a ')}s"
