"""Measured truth: made, saved, read back, gone on with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cotrain.affinity.design import truth_design
from cotrain.errors import InputError
from cotrain.evaluation.measured import measure_subsets
from cotrain.evaluation.truth import read_truth
from cotrain.problem.demo import digits
from cotrain.training.trainer import Trainer

PROBLEM = digits().with_tasks(["even", "prime", "loop"])


def test_what_is_saved_is_read_back_as_truth(tmp_path: Path) -> None:
    mask = truth_design(PROBLEM.names)
    measured = measure_subsets(Trainer(PROBLEM), mask, seeds=[3, 4])
    measured.save(tmp_path / "truth.npz")
    for split, losses in (("validation", measured.validation_loss), ("test", measured.test_loss)):
        table = read_truth(tmp_path / "truth.npz", split=split)
        np.testing.assert_allclose(table.loss, losses.mean(axis=0))
        np.testing.assert_allclose(table.standard_error, losses.std(axis=0, ddof=1) / np.sqrt(2))
    assert table.subsets == tuple(tuple(sorted(np.array(PROBLEM.names)[row])) for row in mask)
    with pytest.raises(InputError, match="exists already"):
        measured.save(tmp_path / "truth.npz")


def test_losses_are_those_of_training_each_subset(tmp_path: Path) -> None:
    mask = np.array([[True, False, True]])
    trainer = Trainer(PROBLEM, folder=tmp_path)
    measured = measure_subsets(trainer, mask, seeds=[1])
    fit = trainer.fit(PROBLEM.subset(["even", "loop"]), seed=1)
    assert measured.cost.trainings == 1
    assert np.isnan(measured.test_loss[0, 0, 1])
    order = [PROBLEM.names.index(name) for name in fit.subset]
    np.testing.assert_allclose(measured.validation_loss[0, 0, order], fit.validation_loss, rtol=1e-5)
    test = trainer.evaluate(fit, "test")
    np.testing.assert_allclose(measured.test_loss[0, 0, order], test.loss, rtol=1e-5)
    np.testing.assert_allclose(measured.test_metric[0, 0, order], test.metric, rtol=1e-5)
