"""Gradient cosines against gradients taken by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from cotrain.affinity.cosine import GradientCosine
from cotrain.errors import InputError
from cotrain.problem.losses import row_losses
from cotrain.training.callbacks import Callback
from cotrain.training.run import Run
from cotrain.training.subset_data import SubsetData
from cotrain.training.trainer import Trainer

from .families import QUICK, member, problem_of

MEMBERS = (member("a1", 0), member("a2", 0), member("b", 1))
SUBSET = ("a1", "a2", "b")


class ByHand(Callback):
    """Cosines of gradients of the trunk after every epoch."""

    def __init__(self) -> None:
        self.seen: list[NDArray[np.float64]] = []

    def before_training(self, run: Run, data: SubsetData) -> None:
        assert not len(run.history)
        self.data = data

    def after_epoch(self, run: Run) -> None:
        weights = [value for name, value in run.network.named_parameters() if name.startswith("trunk")]
        outputs = run.network(self.data.train.inputs)
        losses = row_losses(self.data.tasks, outputs, self.data.train.targets).sum(dim=0)
        gradients = [
            torch.cat([part.flatten() for part in torch.autograd.grad(loss, weights, retain_graph=True)])
            for loss in losses
        ]
        self.seen.append(
            np.array([[torch.cosine_similarity(one, two, dim=0).item() for two in gradients] for one in gradients])
        )


def test_cosines_of_mean_gradients_of_shared_parameters_after_1_2_4_epochs() -> None:
    problem, by_hand = problem_of(MEMBERS, missing=0.3, training=replace(QUICK, epochs=6, learning_rate=3e-3)), ByHand()
    fit = Trainer(problem).fit(SUBSET, callbacks=[by_hand])
    assert fit.curve.argmin() == 5
    expected = np.mean([by_hand.seen[epoch - 1] for epoch in (1, 2, 4)], axis=0)
    found = GradientCosine(seeds=1).estimate(problem, Trainer(problem))
    off = ~np.eye(3, dtype=bool)
    np.testing.assert_allclose(found.matrix[off], expected[off], atol=1e-5)
    np.testing.assert_array_equal(found.matrix, found.matrix.T)
    assert (found.counts == 3).all()


def test_a_task_and_its_negation_pull_alike() -> None:
    """With heads of their own, the trunk is asked for the same features."""
    problem = problem_of((member("a", 0), member("b", 1), member("not a", 0, twin="a")), missing=0.0)
    for rows in problem.splits.values():
        rows.targets[:, 2] = 1 - rows.targets[:, 0]
    with_b, with_negation = GradientCosine(seeds=2).estimate(problem, Trainer(problem)).matrix[0, 1:]
    assert with_negation > 0.3 > abs(with_b)


def test_seeds_give_standard_errors() -> None:
    problem = problem_of(MEMBERS, training=replace(QUICK, epochs=2))
    off = ~np.eye(3, dtype=bool)
    assert (GradientCosine(seeds=2).estimate(problem, Trainer(problem)).standard_error[off] > 0).all()
    assert np.isnan(GradientCosine(seeds=1).estimate(problem, Trainer(problem)).standard_error[off]).all()


def test_watching_leaves_the_training_as_it_is() -> None:
    problem = problem_of(MEMBERS, training=replace(QUICK, epochs=3))
    plain = Trainer(problem).fit(SUBSET)
    cost = GradientCosine(seeds=1).estimate(problem, Trainer(problem)).cost
    assert cost.trainings == 1
    assert cost.flops > plain.cost.flops


def test_bad_parameters_are_refused() -> None:
    with pytest.raises(InputError, match="`seeds`"):
        GradientCosine(seeds=0)


def test_networks_that_share_nothing_are_refused() -> None:
    problem = problem_of(MEMBERS, hidden=())
    with pytest.raises(InputError, match="share parameters"):
        GradientCosine().estimate(problem, Trainer(problem))
