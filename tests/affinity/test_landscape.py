"""Sample-wise landscapes against what is known in closed form: weighted disagreement, chance, polarity, own rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.affinity.families import member, problem_of
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap

from cotrain.affinity.landscape import SampleWiseLandscape
from cotrain.affinity.landscapes.cauchy_sketch import CauchySketch, l1_norms
from cotrain.affinity.landscapes.fitted_heads import fit_head
from cotrain.affinity.landscapes.landscape_sample import Sampling, sample_gradients
from cotrain.affinity.shared_parameters import shared_parameters
from cotrain.errors import InputError
from cotrain.models.mlp import SharedMLPFactory
from cotrain.problem.options import NetworkOptions, TrainingOptions
from cotrain.problem.problem import SPLITS, Problem
from cotrain.problem.rows import Rows
from cotrain.problem.task import Task
from cotrain.training.evaluation import mean_losses
from cotrain.training.trainer import Trainer
from cotrain.training.untrained import untrained

FEATURES = 6


def _problem(labels: Tensor, tasks: Sequence[Task], *, seed: int = 0) -> Problem:
    inputs = torch.randn(len(labels), FEATURES, generator=torch.Generator().manual_seed(seed))
    rows = Rows(inputs, labels)
    build = SharedMLPFactory(FEATURES, NetworkOptions(hidden=(8,)))
    return Problem(tuple(tasks), dict.fromkeys(SPLITS, rows), build, TrainingOptions(epochs=1))


def _binary_problem(*rates: float, rows: int = 100, seed: int = 0) -> Problem:
    stream = torch.Generator().manual_seed(seed)
    labels = torch.stack([(torch.rand(rows, generator=stream) < rate).float() for rate in rates], dim=1)
    return _problem(labels, [Task(f"t{number}") for number in range(len(rates))], seed=seed)


def _estimate(problem: Problem, **options: Any) -> np.ndarray:
    estimator = SampleWiseLandscape(**{"initialisations": 1, "rows": len(problem.splits["train"]), **options})
    return estimator.estimate(problem, Trainer(problem)).matrix


def _gradient_norms(problem: Problem, seed: int = 0) -> Tensor:
    """Return ``|dz / d shared parameters|_1`` of every row, in full and by another route than the estimator's."""
    first = sorted(problem.names)[0]
    network = untrained(problem, ((first,), seed), torch.device("cpu"))
    shared = {name: network.get_parameter(name).detach() for name in shared_parameters(problem)}

    def output(parameters: dict[str, Tensor], row: Tensor) -> Tensor:
        value: Tensor = functional_call(network, parameters, (row[None],))[0, 0]
        return value

    jacobian = vmap(jacrev(output), in_dims=(None, 0))(shared, problem.splits["train"].inputs)
    return torch.stack([part.flatten(1).abs().sum(dim=1) for part in jacobian.values()]).sum(dim=0).detach()


@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 1000))
def test_for_binary_tasks_it_is_the_share_of_labels_that_differ_weighted_by_gradient_norms(seed: int) -> None:
    problem = _binary_problem(0.5, 0.3, 0.9, seed=seed)
    labels = problem.splits["train"].targets
    norms = _gradient_norms(problem)
    disagreement = (labels[:, :, None] != labels[:, None, :]).float()
    exact = (disagreement * norms[:, None, None]).mean(dim=0)
    found = -_estimate(problem, sketch_dim=2048)
    np.testing.assert_allclose(found, exact, rtol=0.1)


def test_the_sketched_identity_is_exact_in_the_sketched_norms() -> None:
    problem = _binary_problem(0.5, 0.3, 0.9)
    how = Sampling(100, True, "same", 64, 0, torch.device("cpu"))
    tasks, _ = sample_gradients(problem, how)
    norms = l1_norms(tasks[0].jacobian[:, 0])
    labels = torch.stack([task.targets for task in tasks], dim=1)
    disagreement = (labels[:, :, None] != labels[:, None, :]).float()
    found = -_estimate(problem, sketch_dim=64)
    np.testing.assert_allclose(found, (disagreement * norms[:, None, None]).mean(dim=0), rtol=1e-4)


def test_more_coordinates_bring_the_sketch_nearer_to_the_norm() -> None:
    vectors = torch.randn(200, 40, generator=torch.Generator().manual_seed(0))
    sketches = CauchySketch({"w": (40,)}, dimension=1024, seed=1).apply({"w": vectors})
    exact = vectors.abs().sum(dim=1)
    few, many = l1_norms(sketches[:, :64]), l1_norms(sketches)
    assert (many / exact - 1).abs().mean() < (few / exact - 1).abs().mean() < 0.3
    assert (many / exact - 1).abs().mean() < 0.1


def test_a_negated_task_is_farthest_until_polarity_or_fitted_heads_see_it() -> None:
    stream = torch.Generator().manual_seed(0)
    signal, other = (torch.rand(2, 200, generator=stream) < 0.5).float()
    names = ["signal", "not signal", "other"]
    problem = _problem(torch.stack([signal, 1 - signal, other], dim=1), [Task(name) for name in names])
    plain = _estimate(problem)
    assert plain[0, 1] < plain[0, 2] < 0
    for options in ({"polarity": True}, {"heads": "fitted"}):
        corrected = _estimate(problem, **options)
        assert corrected[0, 1] > corrected[0, 2]
        assert corrected[0, 1] == pytest.approx(0.0, abs=0.05 * abs(corrected[0, 2]))


def test_chance_correction_puts_rare_independent_tasks_at_zero() -> None:
    stream = torch.Generator().manual_seed(0)
    labels = (torch.rand(1000, 3, generator=stream) < torch.tensor([0.03, 0.03, 0.5])).float()
    noisy = torch.where(torch.rand(1000, generator=stream) < 0.07, 1 - labels[:, 2], labels[:, 2])
    problem = _problem(torch.cat([labels, noisy[:, None]], dim=1), [Task(name) for name in ("r", "s", "b", "noisy b")])
    plain, corrected = _estimate(problem), _estimate(problem, chance=True)
    assert plain[0, 1] > plain[2, 3], "as published, two rare tasks are nearer than a task and its noisy copy"
    assert corrected[2, 3] > 0.7
    assert abs(corrected[0, 1]) < 0.15


def test_normalised_gradients_do_not_know_the_scale_of_a_loss() -> None:
    values = torch.randn(100, 2, generator=torch.Generator().manual_seed(0))
    tasks = [Task("a", "regression"), Task("b", "regression")]
    one = _problem(values, tasks)
    louder = replace(one, tasks=(tasks[0], replace(tasks[1], loss=_tripled)))
    assert _estimate(louder)[0, 1] < _estimate(one)[0, 1]
    np.testing.assert_allclose(_estimate(louder, normalise=True), _estimate(one, normalise=True), rtol=1e-4)


def _tripled(outputs: Tensor, targets: Tensor) -> Tensor:
    return 3 * (outputs[:, 0] - targets).square()


def test_fitted_heads_lower_the_loss() -> None:
    problem = problem_of([member("a", 0)])
    network = untrained(problem, (("a",), 0), torch.device("cpu"))
    shared = ["trunk.0.weight", "trunk.0.bias"]
    kept = {name: network.get_parameter(name).detach().clone() for name in shared}
    before = mean_losses(network, problem.tasks, problem.splits["train"])
    fit_head(problem, "a", network, shared=shared)
    assert mean_losses(network, problem.tasks, problem.splits["train"]) < 0.8 * before
    assert all(torch.equal(network.get_parameter(name), value) for name, value in kept.items())


def test_tasks_with_rows_of_their_own_are_compared_as_distributions() -> None:
    members = [member("x", 0), member("y", 0), member("z", 1)]
    problem = problem_of(members, rows=900, own_rows=True)
    estimator = SampleWiseLandscape.corrected(initialisations=2)
    affinity = estimator.estimate(problem, Trainer(problem))
    assert affinity.matrix[0, 1] > affinity.matrix[0, 2]
    assert any("distributions" in text for text in affinity.warnings)


def test_tasks_of_different_shapes_are_warned_about() -> None:
    problem = problem_of([member("x", 0), replace(member("y", 0), task=Task("y", "multiclass", classes=3))])
    same = SampleWiseLandscape(initialisations=1, rows=40).estimate(problem, Trainer(problem))
    fitted = SampleWiseLandscape(initialisations=1, rows=40, heads="fitted").estimate(problem, Trainer(problem))
    assert any("different shapes" in text for text in same.warnings)
    assert not fitted.warnings


def test_it_trains_nothing_and_counts_what_it_does() -> None:
    problem = problem_of([member("x", 0), member("y", 1)])
    affinity = SampleWiseLandscape(initialisations=2, rows=40).estimate(problem, Trainer(problem))
    assert affinity.cost.trainings == 0
    assert affinity.cost.flops > 0
    assert np.isfinite(affinity.standard_error).all()


def test_a_network_that_shares_nothing_is_refused() -> None:
    problem = replace(problem_of([member("x", 0), member("y", 1)]), build=_named_parts)
    with pytest.raises(InputError, match="share parameters"):
        shared_parameters(problem)


def _named_parts(tasks: Sequence[Task]) -> nn.Module:
    return nn.ModuleDict({task.name: nn.Linear(FEATURES, 1) for task in tasks})


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"initialisations": 0}, "`initialisations`"),
        ({"rows": 1}, "`rows`"),
        ({"sketch_dim": 4}, "`sketch_dim`"),
        ({"heads": "random"}, "`heads`"),
    ],
)
def test_bad_parameters_are_refused(options: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        SampleWiseLandscape(**options)
