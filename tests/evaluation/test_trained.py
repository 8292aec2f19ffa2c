"""Trained groups survive a folder; their networks predict as before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.evaluation.test_judge import NAMES, make_problem

from cotrain import api
from cotrain.affinity.affinity import Affinity
from cotrain.errors import InputError, MismatchError
from cotrain.evaluation.trained import TrainedGroups
from cotrain.grouping.grouping import Grouping
from cotrain.problem.problem import Problem


@pytest.fixture(scope="module")
def problem() -> Problem:
    return make_problem()


@pytest.fixture(scope="module")
def trained(problem: Problem) -> TrainedGroups:
    estimate = Affinity.from_matrix(NAMES, np.zeros((4, 4)))
    grouping = Grouping.from_groups(["ab", "cd"])
    return api.train(problem, grouping, seeds=2, random_draws=1, estimate=estimate)


def test_save_and_load(trained: TrainedGroups, problem: Problem, tmp_path: Path) -> None:
    trained.save(tmp_path / "saved", problem)
    loaded = TrainedGroups.load(tmp_path / "saved", problem)
    assert repr(loaded) == repr(trained)
    assert loaded.grouping.groups == trained.grouping.groups
    assert loaded.to_frame().equals(trained.to_frame())
    assert loaded.cost == trained.cost
    assert loaded.estimate is not None
    inputs = problem.splits["test"].inputs
    for seed, fits in trained.fits.items():
        for fit, again in zip(fits, loaded.fits[seed], strict=True):
            assert torch.equal(fit.network(inputs), again.network(inputs))
    with pytest.raises(InputError, match="exists already"):
        trained.save(tmp_path / "saved", problem)


def test_foreign_and_broken_folders_are_refused(trained: TrainedGroups, problem: Problem, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must hold saved trained groups"):
        TrainedGroups.load(tmp_path, problem)
    trained.save(tmp_path / "saved", problem)
    other = replace(problem, training=replace(problem.training, epochs=3))
    with pytest.raises(MismatchError, match="another `problem`"):
        TrainedGroups.load(tmp_path / "saved", other)
    next((tmp_path / "saved").rglob("*.safetensors")).unlink()
    with pytest.raises(InputError, match="must hold the network of"):
        TrainedGroups.load(tmp_path / "saved", problem)


def test_html_escapes(trained: TrainedGroups) -> None:
    hostile = replace(trained, verdict=replace(trained.verdict, sentence="<script>", tasks=("<b>", "b", "c", "d")))
    html = hostile._repr_html_()
    assert "<script>" not in html
    assert "<b>" not in html


def test_new_rows_are_predicted_by_the_network_that_serves_each_task(trained: TrainedGroups, problem: Problem) -> None:
    test = problem.splits["test"]
    predicted = trained.predict(problem, test.inputs, seed=1)
    assert set(predicted) == set(trained.grouping.serving)
    for name in trained.grouping.serving:
        fit = trained.fits[1][trained.grouping.serving[name]]
        task = problem.tasks_of((name,))[0]
        (outputs,) = fit.network(test.inputs)[:, fit.subset.index(name)].detach()[None]
        expected = torch.sigmoid(outputs) if task.kind == "binary" else outputs * task.scale + task.center
        assert np.allclose(predicted[name], expected.numpy(), atol=1e-6)
    assert not predicted.equals(trained.predict(problem, test.inputs))
    with pytest.raises(InputError, match="`seed` must be one of"):
        trained.predict(problem, test.inputs, seed=9)
