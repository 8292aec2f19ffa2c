"""A hook that hears about every finished piece of work, so that callers can show it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Anything with an ``advance`` method: a progress bar, a log."""

    def advance(self, description: str) -> None:
        """Hear that one more piece of work, ``description``, is done."""
        ...


class Silence:
    """Shows nothing."""

    def advance(self, description: str) -> None:
        """Ignore it."""
