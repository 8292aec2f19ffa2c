"""What work cost: floating point operations, seconds, networks trained."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Cost:
    """Cost of a piece of work; costs add up with ``+``.

    Parameters
    ----------
    flops
        Floating point operations as torch's ``FlopCounterMode`` counts them (a multiply-add is two).
    seconds
        Wall-clock seconds.
    trainings
        Networks trained.

    Examples
    --------
    >>> Cost(flops=1e9, seconds=2.0, trainings=1) + Cost(seconds=1.0)
    Cost(flops=1000000000.0, seconds=3.0, trainings=1)
    """

    flops: float = 0.0
    seconds: float = 0.0
    trainings: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.flops + other.flops, self.seconds + other.seconds, self.trainings + other.trainings)

    def to_dict(self) -> dict[str, float]:
        """Return the fields as a plain dictionary."""
        return asdict(self)


class Stopwatch:
    """Seconds since it was started; :attr:`seconds` keeps counting until the block ends."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._stopped: float | None = None

    @property
    def seconds(self) -> float:
        """Elapsed wall-clock seconds."""
        return (time.perf_counter() if self._stopped is None else self._stopped) - self._start

    def stop(self) -> None:
        """Freeze the reading."""
        self._stopped = time.perf_counter()


@contextmanager
def stopwatch() -> Iterator[Stopwatch]:
    """Time a block.

    Examples
    --------
    >>> with stopwatch() as watch:
    ...     pass
    >>> watch.seconds >= 0
    True
    """
    watch = Stopwatch()
    try:
        yield watch
    finally:
        watch.stop()
