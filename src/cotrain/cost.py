"""What work cost: floating point operations, seconds, networks trained."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any


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

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a plain dictionary."""
        return asdict(self)


class Meter:
    """Reads :attr:`cost` off a block that :func:`measure` watches; final once the block has ended."""

    def __init__(self) -> None:
        self.cost = Cost()


@contextmanager
def measure() -> Iterator[Meter]:
    """Count the seconds and the floating point operations of a block.

    Matrix products and convolutions count, as torch's ``FlopCounterMode`` sees them; element-wise work does not. The
    counter looks at every operation: use it around few large ones, not around a training loop.

    Examples
    --------
    >>> import torch
    >>> with measure() as meter:
    ...     _ = torch.ones(2, 3) @ torch.ones(3, 4)
    >>> meter.cost.flops
    48.0
    """
    from torch.utils.flop_counter import FlopCounterMode

    meter, counter, start = Meter(), FlopCounterMode(display=False), time.perf_counter()
    try:
        with counter:
            yield meter
    finally:
        meter.cost = Cost(flops=float(counter.get_total_flops()), seconds=time.perf_counter() - start)
