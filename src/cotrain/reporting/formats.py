"""How the page writes numbers; what is not known is a dash."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

_UNKNOWN, _MINUS = "–", "\N{MINUS SIGN}"


def fixed(value: float, digits: int = 4) -> str:
    """Write ``digits`` significant digits, so that a column of losses lines up.

    Examples
    --------
    >>> fixed(0.669), fixed(14.0, 3), fixed(float("nan"))
    ('0.6690', '14.0', '–')
    """
    return f"{value:#.{digits}g}".rstrip(".").replace("-", _MINUS) if math.isfinite(value) else _UNKNOWN


def short(value: float) -> str:
    """Write three significant digits, the thousands apart.

    Examples
    --------
    >>> short(3.0), short(0.12345), short(1234567.0)
    ('3', '0.123', '1,230,000')
    """
    if not math.isfinite(value):
        return _UNKNOWN
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 1000 else f"{rounded:g}"


def percent(value: float) -> str:
    """Write a signed percentage.

    Examples
    --------
    >>> percent(0.0591), percent(-0.002).replace("\N{MINUS SIGN}", "-")
    ('+5.9\u2009%', '-0.2\u2009%')
    """
    return f"{value * 100:+.1f}\u2009%".replace("-", _MINUS) if math.isfinite(value) else _UNKNOWN


def interval(low: float, high: float) -> str:
    """Write an interval of percentages, or that there is none.

    Examples
    --------
    >>> interval(0.01, 0.02), interval(float("-inf"), float("inf"))
    ('+1.0\u2009% to +2.0\u2009%', 'one seed, no interval')
    """
    if not math.isfinite(low) or not math.isfinite(high):
        return "one seed, no interval"
    return f"{percent(low)} to {percent(high)}"


def plain(settings: Mapping[str, Any]) -> str:
    """Write settings as indented JSON."""
    return json.dumps(settings, indent=2, default=str, ensure_ascii=False)
