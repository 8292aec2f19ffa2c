"""Callbacks that write a training's losses where dashboards read them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from cotrain.errors import MissingExtraError
from cotrain.training.callbacks import Callback

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

    from cotrain.training.run import Run


class TensorBoardWriter(Callback):
    """Writes validation losses and the learning rate for TensorBoard, one of its runs per network.

    Parameters
    ----------
    folder
        What ``tensorboard --logdir`` is given.

    Raises
    ------
    MissingExtraError
        When TensorBoard is not installed.
    """

    def __init__(self, folder: str | Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise MissingExtraError("writing for TensorBoard", extra="tensorboard") from error
        self._folder, self._open = Path(folder), SummaryWriter
        self._name = ""
        self._writer: SummaryWriter | None = None

    def after_epoch(self, run: Run) -> None:
        """Write the epoch that ended."""
        writer = self._writer_of(run_name(run))
        for name, value in metrics(run).items():
            writer.add_scalar(name, value, len(run.history))
        writer.flush()

    def close(self) -> None:
        """Close the last file."""
        if self._writer is not None:
            self._writer.close()
        self._name, self._writer = "", None

    def _writer_of(self, name: str) -> SummaryWriter:
        """Return the writer of one network; one is open at a time."""
        if name != self._name or self._writer is None:
            self.close()
            self._name, self._writer = name, self._open(str(self._folder / name))
        return self._writer


class MLflowWriter(Callback):
    """Logs validation losses and the learning rate to MLflow, one of its runs per network.

    Parameters
    ----------
    experiment
        Its name; created when absent.
    tracking_uri
        Where MLflow keeps runs; as MLflow is set up by default.

    Raises
    ------
    MissingExtraError
        When MLflow is not installed.
    """

    def __init__(self, experiment: str, *, tracking_uri: str | None = None) -> None:
        try:
            from mlflow import MlflowClient
        except ImportError as error:
            raise MissingExtraError("logging to MLflow", extra="mlflow") from error
        self._client = MlflowClient(tracking_uri)
        known = self._client.get_experiment_by_name(experiment)
        self._experiment = self._client.create_experiment(experiment) if known is None else known.experiment_id
        self._runs: dict[str, str] = {}

    def after_epoch(self, run: Run) -> None:
        """Log the epoch that ended."""
        name = run_name(run)
        if name not in self._runs:
            self._runs[name] = self._client.create_run(self._experiment, run_name=name).info.run_id
        for key, value in metrics(run).items():
            self._client.log_metric(self._runs[name], key, value, step=len(run.history))


def run_name(run: Run) -> str:
    """Return a name for one network's training that a folder can have."""
    return f"{'+'.join(map(_clean, run.subset))[:100]}/seed-{run.seed}"


def metrics(run: Run) -> dict[str, float]:
    """Return what is written of the last epoch: mean and own validation losses, NaN left out, and learning rate."""
    found = {
        "mean_validation_loss": float(run.history.curve[-1]),
        "learning_rate": float(run.optimizer.param_groups[0]["lr"]),
    }
    for name, loss in zip(run.subset, run.history.losses[-1].tolist(), strict=True):
        found[f"validation_loss/{_clean(name)}"] = loss
    return {name: value for name, value in found.items() if not math.isnan(value)}


def _clean(name: str) -> str:
    """Return a task's name with nothing in it that a folder or a dashboard refuses."""
    return "".join(letter if letter.isalnum() and letter.isascii() else "_" for letter in name)
