"""Who climbs the rungs, and what it finds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.affinity.families import member, problem_of

from cotrain.affinity import SubsetLosses, SuccessiveHalving
from cotrain.affinity.shortened import shortened
from cotrain.errors import InputError
from cotrain.training.trainer import Trainer

FAMILIES = (member("a1", 0), member("a2", 0), member("b1", 1), member("b2", 1), member("b3", 1))


def losses_of(estimator: SuccessiveHalving, *, share: float = 1.0) -> SubsetLosses:
    problem = problem_of(FAMILIES)
    found = estimator.estimate(problem, shortened(Trainer(problem), share)).subset_losses
    assert found is not None
    return found


def test_a_third_of_each_rung_goes_on_and_the_references_always() -> None:
    found = losses_of(SuccessiveHalving(subsets=18))
    measured = found.source == "measured"
    reference = (found.sizes == 1) | (found.sizes == 5)
    assert measured[reference].all()
    assert (~reference).sum() == 18
    assert measured[~reference].sum() == 2


def test_one_rung_measures_everything() -> None:
    assert (losses_of(SuccessiveHalving(subsets=6, rungs=1)).source == "measured").all()


def test_extrapolated_losses_are_nearer_to_those_of_full_trainings_than_short_ones() -> None:
    guessed = losses_of(SuccessiveHalving(subsets=18))
    short, full = (losses_of(SuccessiveHalving(subsets=18, rungs=1), share=share) for share in (1 / 9, 1.0))
    unknown = (guessed.source == "estimated")[:, None] & guessed.mask
    away, before = (np.abs(found.loss - full.loss)[unknown].mean() for found in (guessed, short))
    assert away < 0.2 * before


@pytest.mark.parametrize(
    ("options", "message"),
    [({"rungs": 0}, "`rungs`"), ({"factor": 1}, "`factor`"), ({"subsets": 0}, "`subsets`"), ({"surrogate": "x"}, "x")],
)
def test_bad_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        SuccessiveHalving(**options)
