"""Many tasks: local search over who is served together, by moving units between served sets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cotrain.grouping.selection.moves import BestHelpers, KeptHelpers
from cotrain.grouping.selection.networks import Floats
from cotrain.grouping.selection.served_sets import Labels, ServedSets

_SWEEPS = 200


def descend(sets: ServedSets, labels: Labels) -> tuple[Labels, float]:
    """Return labels ``(units,)`` that no relocation improves, and their worth.

    Several disjoint moves a sweep. First those are made that gain while every network keeps its helpers, which is quick
    to say for all units and sets, ``O(units tasks)`` for each set that changed; then those that gain with the best
    helpers after the move.
    """
    for moves in (KeptHelpers(sets), BestHelpers(sets)):
        labels = _improved(moves, labels)
    return labels, float(moves.worth.sum())


def _improved(moves: KeptHelpers, labels: Labels) -> Labels:
    """Move units while the total worth grows."""
    labels, here = labels.copy(), np.arange(len(labels))
    moves.update(labels, np.arange(len(moves.worth)))
    for _ in range(_SWEEPS):
        gain = (moves.left - moves.worth[labels])[:, None] + moves.joined - moves.worth
        target = gain.argmax(axis=1)
        moved = _disjoint(gain[here, target], labels, target)
        if not len(moved):
            break
        changed = np.unique(np.concatenate([labels[moved], target[moved]]))
        labels[moved] = target[moved]
        moves.update(labels, changed)
    return labels


def _disjoint(gain: Floats, source: Labels, target: Labels) -> NDArray[np.int64]:
    """Best improving moves of which no two touch the same set."""
    busy: set[int] = set()
    chosen: list[int] = []
    for unit in np.argsort(-gain, kind="stable").tolist():
        if gain[unit] <= 1e-12:
            break
        pair = {int(source[unit]), int(target[unit])}
        if not pair & busy:
            busy |= pair
            chosen.append(unit)
    return np.array(chosen, dtype=np.int64)
