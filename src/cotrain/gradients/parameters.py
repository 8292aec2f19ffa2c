"""Which parameters' gradients are taken: by name, shared tensors once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TypeAlias

from torch import nn

from cotrain.errors import InputError

Patterns: TypeAlias = str | Sequence[str]
"""Name patterns as in a shell; a leading ``!`` takes names away again: ``("*", "!heads.*")``."""
Shapes: TypeAlias = Mapping[str, tuple[int, ...]]
"""Parameter name -> shape, in the order of ``named_parameters``."""


def parameter_shapes(network: nn.Module, patterns: Patterns = "*") -> dict[str, tuple[int, ...]]:
    """Return the shapes of the trainable parameters that ``patterns`` choose.

    Parameters
    ----------
    network
        Any module. A tensor that it uses under several names counts once, under its first name.
    patterns
        One pattern or several, applied in order.

    Raises
    ------
    InputError
        When a pattern fits no trainable parameter.

    Examples
    --------
    >>> network = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1))
    >>> parameter_shapes(network, ("*", "!1.*"))
    {'0.weight': (4, 3), '0.bias': (4,)}
    """
    trainable = {name: tuple(p.shape) for name, p in network.named_parameters() if p.requires_grad}
    chosen: set[str] = set()
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        found = {name for name in trainable if fnmatchcase(name, pattern.removeprefix("!"))}
        if not found:
            raise InputError(
                f"`parameters` must match names of trainable parameters. Nothing matches {pattern!r} among "
                f"{_shortened(list(trainable))}."
            )
        chosen = chosen - found if pattern.startswith("!") else chosen | found
    if not chosen:
        raise InputError(f"`parameters` must choose at least one parameter. {patterns!r} leaves none.")
    return {name: shape for name, shape in trainable.items() if name in chosen}


def _shortened(names: list[str], most: int = 8) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
