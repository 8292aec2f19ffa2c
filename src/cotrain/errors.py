"""Every error cotrain raises on purpose, rooted in one class.

A message names the parameter in backticks, states the rule, shows what was found and says what to do.
"""

from __future__ import annotations

from collections.abc import Iterable


class CotrainError(Exception):
    """Root of all errors that cotrain raises on purpose."""


class InputError(CotrainError, ValueError):
    """Something the user gave cannot be used; the command line turns it into exit code 2.

    Parameters
    ----------
    problems
        One message, or all messages of one check so that they are reported together.

    Examples
    --------
    >>> raise InputError(["`networks` must be at least 1. Found 0.", "`targets` names no column."])
    Traceback (most recent call last):
    ...
    cotrain.errors.InputError: 2 problems:
      - `networks` must be at least 1. Found 0.
      - `targets` names no column.
    """

    def __init__(self, problems: str | Iterable[str]) -> None:
        self.problems: tuple[str, ...] = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__(_listed(self.problems))


class MismatchError(InputError):
    """A file on disk belongs to other data, another model or other options than those in use."""


class MissingExtraError(CotrainError, ImportError):
    """An optional dependency is needed but not installed.

    Examples
    --------
    >>> raise MissingExtraError("reading Parquet files", extra="parquet")
    Traceback (most recent call last):
    ...
    cotrain.errors.MissingExtraError: reading Parquet files needs the extra `parquet`: pip install 'cotrain[parquet]'
    """

    def __init__(self, purpose: str, *, extra: str) -> None:
        super().__init__(f"{purpose} needs the extra `{extra}`: pip install 'cotrain[{extra}]'")


class DivergedError(CotrainError):
    """Training produced a loss that is not finite."""


class SolverError(CotrainError):
    """An optimiser stopped without an answer; the message carries its status."""


def _listed(problems: tuple[str, ...]) -> str:
    if len(problems) == 1:
        return problems[0]
    return "\n  - ".join([f"{len(problems)} problems:", *problems])
