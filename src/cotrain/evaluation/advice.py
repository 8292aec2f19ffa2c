"""From paired gains to comparisons, and from comparisons to one plain sentence."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cotrain.evaluation.intervals import t_interval
from cotrain.evaluation.verdict import Advice, Arm, ArmName, Comparison

_PAIRS: tuple[tuple[ArmName, ArmName], ...] = (
    ("chosen", "all-in-one"),
    ("chosen", "one-per-task"),
    ("chosen", "random"),
    ("all-in-one", "one-per-task"),
)


def compare(arms: Mapping[ArmName, Arm]) -> tuple[Comparison, ...]:
    """Compare the arms pair by pair, seed by seed.

    The gain of a seed is the mean over tasks of ``1 - loss / baseline loss``, both trained with that seed; the interval
    is Student's over seeds. It covers the noise of training, not that of drawing the test rows.
    """
    return tuple(_comparison(arm, baseline, arms) for arm, baseline in _PAIRS)


def advise(comparisons: tuple[Comparison, ...], networks: int) -> tuple[Advice, str]:
    """Return the recommendation and the sentence that says why.

    Groups are recommended only where they beat both obvious alternatives beyond noise. Otherwise the better alternative
    is, and where the two cannot be told apart, neither.
    """
    by_pair = {(found.arm, found.baseline): found for found in comparisons}
    over_all, over_single = by_pair["chosen", "all-in-one"], by_pair["chosen", "one-per-task"]
    all_over_single = by_pair["all-in-one", "one-per-task"]
    count = "1 network" if networks == 1 else f"{networks} networks"
    against = f"{_figures(over_all)} over all-in-one, {_figures(over_single)} over one per task"
    facts = f"Share of test loss saved by {count}: {against}"
    between = f"by all-in-one over one per task: {_figures(all_over_single)}"
    if over_all.low > 0 and over_single.low > 0:
        return "group so", f"Group so: these groups beat both alternatives. {facts}."
    if all_over_single.low > 0:
        return "train all together", f"Train all together: no grouping beat it beyond noise. {facts}; {between}."
    if all_over_single.high < 0:
        return "train alone", f"Train alone: {_consolation(over_all)}. {facts}; {between}."
    reason = "no arm beats both others beyond the noise of the seeds"
    return "no difference beyond noise", f"No difference beyond noise: {reason}. {facts}; {between}."


def _comparison(arm: ArmName, baseline: ArmName, arms: Mapping[ArmName, Arm]) -> Comparison:
    gains = (1.0 - arms[arm].test_loss / arms[baseline].test_loss).mean(axis=1)
    mean, half_width = (float(part) for part in t_interval(gains))
    known = np.isfinite(half_width)
    low, high = (mean - half_width, mean + half_width) if known else (-np.inf, np.inf)
    return Comparison(arm, baseline, mean, low, high)


def _figures(comparison: Comparison) -> str:
    return f"{comparison.gain:+.1%} ({_interval(comparison)})"


def _interval(comparison: Comparison) -> str:
    if not np.isfinite(comparison.low):
        return "one seed, no interval"
    return f"95 % interval {comparison.low:+.1%} to {comparison.high:+.1%}"


def _consolation(over_all: Comparison) -> str:
    if over_all.low > 0:
        return "one network per task is best; where that is too many networks, these groups still beat all-in-one"
    return "sharing a network costs accuracy here"
