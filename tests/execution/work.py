"""Work that processes of their own can import."""

import os
import signal
from pathlib import Path

import torch


def power(base: int, exponent: int) -> int:
    """An ordinary job."""
    return int(base**exponent)


def die_once(folder: Path, number: int) -> int:
    """Job 1 kills its own process the first time it runs."""
    seen = folder / "seen"
    if number == 1 and not seen.exists():
        seen.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number * 10


def die(_: object, __: object) -> None:
    """Never finishes."""
    os.kill(os.getpid(), signal.SIGKILL)


def refuse(_: object, number: int) -> int:
    """An error of the job's own."""
    raise ValueError(f"no {number}")


def count_threads(_: object, __: object) -> int:
    """The number of threads torch may use here."""
    return torch.get_num_threads()
