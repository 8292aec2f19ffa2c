"""How many threads torch uses in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch use ``count`` threads in a block, and the former number afterwards.

    Examples
    --------
    >>> with threads(1):
    ...     torch.get_num_threads()
    1
    """
    former = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(former)
