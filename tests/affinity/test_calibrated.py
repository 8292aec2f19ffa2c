"""Calibration on problems whose truth is measured or planted."""

from __future__ import annotations

import numpy as np
import pytest
from tests.affinity.families import member, problem_of

from cotrain.affinity import Affinity, Calibrated, Given, GradientCosine, MeasuredSubsets
from cotrain.affinity.measured_pairs import MeasuredPairs
from cotrain.affinity.surrogates import GainProcess
from cotrain.api import group
from cotrain.errors import InputError
from cotrain.problem.demo import digits
from cotrain.training.trainer import Trainer

FAMILIES = (member("a1", 0), member("a2", 0), member("a3", 0), member("b1", 1), member("b2", 1), member("b3", 1))


def test_it_trains_as_many_networks_as_it_was_given() -> None:
    problem = problem_of(FAMILIES)
    for trainings in (7, 12, 19):
        found = Calibrated(trainings=trainings).estimate(problem, Trainer(problem))
        assert found.cost.trainings == trainings


def test_scores_become_features_and_their_cost_is_counted() -> None:
    problem = problem_of(FAMILIES)
    found = Calibrated(trainings=10, scores=(GradientCosine(seeds=1),)).estimate(problem, Trainer(problem))
    assert isinstance(found.model, GainProcess)
    assert "cosine" in found.model.strengths
    assert found.cost.trainings == 11


def test_predictions_and_table_agree() -> None:
    problem = problem_of(FAMILIES)
    found = Calibrated(trainings=16).estimate(problem, Trainer(problem), seed=3)
    assert found.subset_losses is not None
    table = found.subset_losses
    assert len(table) == 2**6 - 1
    np.testing.assert_allclose(table.gain()[table.mask], found.predict(table.mask).gain[table.mask], atol=1e-9)


def test_groups_follow_predicted_gains_and_a_further_network_must_be_worth_it() -> None:
    problem = problem_of(FAMILIES)
    found = Calibrated(trainings=30).estimate(problem, Trainer(problem))
    chosen = group(found, networks=2)
    assert chosen.method == "network-selection"
    assert len(chosen.groups) <= 2
    gains = found.predict(np.array([[name in one for name in found.tasks] for one in chosen.groups])).gain
    served = [gains[chosen.serving[task], column] for column, task in enumerate(found.tasks)]
    together = np.nanmean(found.predict(np.ones((1, 6), dtype=bool)).gain)
    assert np.mean(served) >= together - 1e-9


def test_two_tasks_need_nothing_but_their_three_subsets() -> None:
    problem = digits().with_tasks(["even", "prime"])
    assert Calibrated().estimate(problem, Trainer(problem)).cost.trainings == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [({"trainings": 2}, "`trainings` must be at least 3"), ({"rounds": 0}, "`rounds`"), ({"seeds": 0}, "`seeds`")],
)
def test_bad_options_are_refused(options: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Calibrated(**options)  # type: ignore[arg-type]


def test_measured_pairs_are_what_training_them_gives() -> None:
    problem = problem_of(FAMILIES[:3])
    trainer = Trainer(problem)
    found = MeasuredPairs(seeds=2).estimate(problem, trainer, seed=5)
    alone = np.mean([trainer.fit(("a1",), seed=seed).validation_loss[0] for seed in (5, 6)])
    pair = np.mean([trainer.fit(("a1", "a2"), seed=seed).validation_loss[0] for seed in (5, 6)])
    assert found.to_frame().loc["a1", "a2"] == pytest.approx(1.0 - pair / alone, abs=1e-4)


def test_prior_knowledge_is_a_feature_in_the_order_of_the_model() -> None:
    problem = problem_of(FAMILIES[::-1])
    names = sorted(problem.names)
    links = Given.links(problem.names, must_link=[names[:3]], cannot_link=[(names[0], names[5])])
    found = Calibrated(trainings=14, scores=(links,)).estimate(problem, Trainer(problem))
    assert isinstance(found.model, GainProcess)
    assert found.model.tasks == tuple(names)
    score = found.model.scores["given"]
    assert score[0, 1] == score[2, 0] == score.max()
    assert score[0, 5] == score[5, 0] == score.min()
    assert found.cost.trainings == 14


def test_given_matrices_follow_the_tasks_of_the_problem() -> None:
    problem = problem_of(FAMILIES[:2])
    affinity = Affinity.from_matrix(["x", "a2", "a1"], [[0, 1, 2], [3, 0, 4], [5, 6, 0]])
    found = Given.of(affinity).estimate(problem, Trainer(problem))
    assert found.to_frame().loc["a1", "a2"] == 6
    with pytest.raises(InputError, match=r"Missing: \['b1'\]"):
        Given.of(affinity).estimate(problem_of((FAMILIES[0], FAMILIES[3])), Trainer(problem))


@pytest.mark.parametrize("matrix", [((0.0,),), ((0.0, 1.0),), ((0.0, 1.0), (1.0,))])
def test_given_matrices_that_do_not_fit_are_refused(matrix: tuple[tuple[float, ...], ...]) -> None:
    with pytest.raises(InputError, match="`matrix`"):
        Given(("a", "b"), matrix)


def test_links_name_known_tasks() -> None:
    with pytest.raises(InputError, match="'z'"):
        Given.links("ab", must_link=[("a", "z")])


def test_short_runs_cost_less_and_can_be_a_score() -> None:
    problem = problem_of(FAMILIES)
    full = MeasuredSubsets(subsets=6).estimate(problem, Trainer(problem))
    short = MeasuredSubsets(subsets=6, fidelity=0.1).estimate(problem, Trainer(problem))
    assert short.cost.flops < 0.3 * full.cost.flops
    scored = Calibrated(trainings=10, scores=(MeasuredSubsets(subsets=6, fidelity=0.1),))
    model = scored.estimate(problem, Trainer(problem)).model
    assert isinstance(model, GainProcess)
    assert "measured-subsets" in model.strengths
