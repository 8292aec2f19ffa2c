from pathlib import Path

import pytest
import torch
from mlflow import MlflowClient
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tests.training.problems import identical, problem_for

from cotrain.training.callbacks import Callback
from cotrain.training.run import Run
from cotrain.training.trainer import Trainer
from cotrain.training.writers import MLflowWriter, TensorBoardWriter, run_name

JOBS = ((("a", "b"), 0), (("a", "b"), 1))


def test_tensorboard_reads_every_epoch_of_every_network(tmp_path: Path) -> None:
    writer = TensorBoardWriter(tmp_path)
    fits = list(Trainer(problem_for(), watchers=[writer]).fit_many(JOBS))
    writer.close()
    for fit in fits:
        events = EventAccumulator(str(tmp_path / "a+b" / f"seed-{fit.seed}"))
        events.Reload()
        scalars = {name: [event.value for event in events.Scalars(name)] for name in events.Tags()["scalars"]}
        assert scalars["mean_validation_loss"] == pytest.approx(fit.curve.tolist())
        assert set(scalars) == {"mean_validation_loss", "validation_loss/a", "validation_loss/b", "learning_rate"}


def test_mlflow_reads_every_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # the light package keeps no database
    uri = (tmp_path / "mlruns").as_uri()
    fit = Trainer(problem_for(), watchers=[MLflowWriter("tasks", tracking_uri=uri)]).fit(("a", "b"))
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("tasks")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    history = client.get_metric_history(run.info.run_id, "mean_validation_loss")
    assert [point.value for point in history] == pytest.approx(fit.curve.tolist())


class _Heard(Callback):
    def __init__(self) -> None:
        self.names: list[str] = []

    def after_epoch(self, run: Run) -> None:
        torch.rand(3)
        self.names.append(run_name(run))


def test_watchers_hear_all_and_change_nothing(tmp_path: Path) -> None:
    heard, problem = _Heard(), problem_for(dropout=0.3)
    fits = list(Trainer(problem, folder=tmp_path, watchers=[heard]).fit_many(JOBS))
    assert set(heard.names) == {"a+b/seed-0", "a+b/seed-1"}
    assert len(heard.names) == sum(len(fit.curve) for fit in fits)
    assert all(identical(fit, Trainer(problem).fit(fit.subset, seed=fit.seed)) for fit in fits)
    list(Trainer(problem, folder=tmp_path, watchers=[heard]).fit_many(JOBS))
    assert len(heard.names) == sum(len(fit.curve) for fit in fits)  # recalled, not trained again
