"""Declarative checks of what users pass in: the parameter's name, the rule, what was found, what to do."""

from __future__ import annotations

import difflib
import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager

from cotrain.errors import InputError


class Findings(list[str]):
    """What several checks found wrong, so that all of it is reported together.

    Examples
    --------
    >>> found = Findings()
    >>> with found.gather():
    ...     at_least("networks", 0, 1)
    >>> found.refuse()
    Traceback (most recent call last):
    ...
    cotrain.errors.InputError: `networks` must be at least 1. Found 0.
    """

    @contextmanager
    def gather(self) -> Iterator[None]:
        """Note an InputError raised in the block instead of letting it pass."""
        try:
            yield
        except InputError as error:
            self.extend(error.problems)

    def refuse(self) -> None:
        """Raise one InputError with everything found, if anything was."""
        if self:
            raise InputError(self)


def at_least(name: str, value: float, minimum: float) -> None:
    """Refuse a number below ``minimum`` (or not finite).

    Examples
    --------
    >>> at_least("networks", 0, 1)
    Traceback (most recent call last):
    ...
    cotrain.errors.InputError: `networks` must be at least 1. Found 0.
    """
    if not math.isfinite(value) or value < minimum:
        raise InputError(f"`{name}` must be at least {minimum}. Found {value}.")


def within(name: str, value: float, low: float, high: float) -> None:
    """Refuse a number outside ``[low, high]``.

    Examples
    --------
    >>> within("confidence", 1.5, 0, 1)
    Traceback (most recent call last):
    ...
    cotrain.errors.InputError: `confidence` must lie between 0 and 1. Found 1.5.
    """
    if not low <= value <= high:
        raise InputError(f"`{name}` must lie between {low} and {high}. Found {value}.")


def one_of(name: str, value: str, choices: Collection[str]) -> None:
    """Refuse a value that is not among ``choices`` and name the nearest one.

    Examples
    --------
    >>> one_of("method", "gradtag", ["grad-tag", "tag"])
    Traceback (most recent call last):
    ...
    cotrain.errors.InputError: `method` must be one of 'grad-tag', 'tag'. Found 'gradtag'. Did you mean 'grad-tag'?
    """
    if value not in choices:
        listed = ", ".join(repr(choice) for choice in choices)
        raise InputError(f"`{name}` must be one of {listed}. Found {value!r}.{did_you_mean(value, choices)}")


def unique(name: str, values: Iterable[str]) -> None:
    """Refuse repeated names.

    Examples
    --------
    >>> unique("targets", ["a", "b", "a"])
    Traceback (most recent call last):
    ...
    cotrain.errors.InputError: `targets` must not repeat a name. Found 'a' 2 times.
    """
    repeated = [f"{value!r} {count} times" for value, count in Counter(values).items() if count > 1]
    if repeated:
        raise InputError(f"`{name}` must not repeat a name. Found {', '.join(repeated)}.")


def same_rows(lengths: Mapping[str, int]) -> None:
    """Refuse parts that differ in their number of rows.

    Examples
    --------
    >>> same_rows({"X": 3, "Y": 2})
    Traceback (most recent call last):
    ...
    cotrain.errors.InputError: `X` and `Y` must have the same number of rows. Found 3 and 2.
    """
    if len(set(lengths.values())) > 1:
        names = " and ".join(f"`{name}`" for name in lengths)
        raise InputError(
            f"{names} must have the same number of rows. Found {' and '.join(map(str, lengths.values()))}."
        )


def did_you_mean(value: str, choices: Collection[str]) -> str:
    """Return `` Did you mean 'x'?`` for the nearest choice, or nothing.

    Examples
    --------
    >>> did_you_mean("weigth", ["weight", "height"])
    " Did you mean 'weight'?"
    """
    nearest = difflib.get_close_matches(value, choices, n=1)
    return f" Did you mean {nearest[0]!r}?" if nearest else ""
