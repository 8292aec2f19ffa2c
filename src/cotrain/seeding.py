"""Seeds: derived by name, so that order and task permutation never matter; global random state is left alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def derive(seed: int, *names: object) -> int:
    """Return a 63-bit seed for one named use of ``seed``.

    The same names give the same seed on every machine and in any order of use.

    Examples
    --------
    >>> derive(0, "trunk") == derive(0, "trunk"), derive(0, "trunk") == derive(0, "head")
    (True, False)
    """
    text = "\x1f".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *names: object) -> torch.Generator:
    """Return a CPU generator seeded by :func:`derive`."""
    return torch.Generator().manual_seed(derive(seed, *names))


@contextmanager
def seeded(seed: int, *names: object) -> Iterator[None]:
    """Run a block under torch's global generator seeded by :func:`derive`, and put its old state back afterwards.

    Needed where torch offers no generator argument: layer initialisation and dropout.
    """
    with undisturbed():
        # Not torch.manual_seed: it formats a stack trace for every accelerator that is absent, for a millisecond each.
        torch.default_generator.manual_seed(derive(seed, *names))
        if torch.cuda.is_available():
            torch.cuda.manual_seed_all(derive(seed, *names))
        yield


@contextmanager
def undisturbed() -> Iterator[None]:
    """Run a block and put the state of torch's global generators back afterwards.

    Examples
    --------
    >>> with undisturbed():
    ...     first = torch.rand(1)
    >>> torch.equal(first, torch.rand(1))
    True
    """
    devices = range(torch.cuda.device_count()) if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=list(devices)):
        yield
