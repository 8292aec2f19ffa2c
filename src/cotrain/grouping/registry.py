"""Groupers by name."""

from __future__ import annotations

from collections.abc import Callable

from cotrain.grouping.base import Grouper
from cotrain.grouping.network_selection import NetworkSelection

GROUPERS: dict[str, Callable[..., Grouper]] = {
    NetworkSelection.name: NetworkSelection,
}
"""What ``cotrain.group(method=...)`` accepts; each takes ``networks=``."""
