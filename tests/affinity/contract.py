"""How the contract suite runs each estimator, and what an estimator cannot promise: one line to add an estimator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from cotrain.affinity import (
    DMTG,
    TAG,
    Calibrated,
    DataDivergence,
    Estimator,
    GradientCosine,
    GradTAG,
    Influence,
    MeasuredPairs,
    MeasuredSubsets,
    SampleWiseLandscape,
    SuccessiveHalving,
    TaskVectors,
    TrainingDynamics,
)
from cotrain.training.one_shot.search import SearchOptions

Promise: TypeAlias = Literal[
    "permutation", "missing labels", "own rows", "mixed kinds", "one task", "many tasks", "twins", "random task"
]
"""What an entry may be excused from. Nothing excuses from determinism, or from leaving test rows alone."""


@dataclass(frozen=True)
class Entry:
    """One estimator in the suite.

    Parameters
    ----------
    quick
        The estimator, with settings that take a moment.
    cannot
        Promise -> the reason why it is not given; ``docs/estimators.md`` must state it word by word.
    at_scale
        The estimator for a hundred tasks, where the quick settings would take long.
    """

    quick: Estimator
    cannot: Mapping[Promise, str] = field(default_factory=dict)
    at_scale: Estimator | None = None


NOTHING_NEW = "a copy of a task on the same rows brings it nothing new, so its gain is none and others may help more"
NOISE = "what is measured carries the noise of its trainings, which may rank partners that hardly matter"

ENTRIES = {
    entry.quick.name: entry
    for entry in (
        Entry(Calibrated(trainings=14), cannot={"twins": NOTHING_NEW}),
        Entry(MeasuredSubsets(subsets=24), cannot={"twins": NOISE, "random task": NOISE}),
        Entry(MeasuredPairs(), cannot={"twins": NOISE, "random task": NOISE}),
        Entry(SuccessiveHalving(subsets=24), cannot={"twins": NOISE, "random task": NOISE}),
        Entry(
            GradTAG(bases=1, projection_dim=20, meetings=4),
            {"twins": NOTHING_NEW},
            at_scale=GradTAG(bases=1, projection_dim=8, subset_size=20, meetings=1, strength=1.0, basis="dense"),
        ),
        Entry(TAG(seeds=1, every=3)),
        Entry(GradientCosine(seeds=1)),
        Entry(TrainingDynamics(seeds=1)),
        Entry(
            DMTG(networks=2, seeds=2, search=SearchOptions(epochs=8, warmup=2, rate=0.1)),
            {"random task": "a task that no branch serves better than another lands with anybody"},
            at_scale=DMTG(networks=2, seeds=1, search=SearchOptions(epochs=2, warmup=1)),
        ),
        Entry(
            Influence(bases=1, projection_dim=20),
            {"twins": NOTHING_NEW},
            at_scale=Influence(bases=1, projection_dim=8, strength=1.0, basis="dense"),
        ),
        Entry(TaskVectors(bases=1, epochs=2)),
        Entry(SampleWiseLandscape(initialisations=1, rows=80, sketch_dim=32)),
        Entry(DataDivergence(draws=1)),
    )
}
