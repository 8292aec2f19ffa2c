"""A small problem and runs of it that take a second."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cotrain.affinity.calibrated import Calibrated
from cotrain.affinity.registry import ESTIMATORS
from cotrain.cli.main import main

SMALL = ["--networks", "2", "--seeds", "2", "--random-draws", "1", "--epochs", "3", "--hidden", "4", "--quiet"]


def small_table() -> pd.DataFrame:
    """Ninety rows, three inputs, a binary target, a regression, and a binary target with missing labels."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(90, 3))
    frame = pd.DataFrame(x, columns=["x", "y", "z"])
    frame["a"] = (x[:, 0] > 0).astype(int)
    frame["b"] = x[:, 0] + x[:, 1]
    frame["c"] = np.where(rng.random(90) < 0.2, np.nan, x[:, 1] > 0)
    return frame


def _run(source: Path, out: Path, *more: str) -> int:
    return main(["run", str(source), "--targets", "a,b,c", "--out", str(out), *SMALL, *more])


@dataclass(frozen=True)
class QuickCalibrated(Calibrated):
    """Few trainings: the command line is tested here, not the estimate."""

    trainings: int | None = 6


@pytest.fixture(autouse=True)
def _quick_estimates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ESTIMATORS, Calibrated.name, QuickCalibrated)
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")  # the command would set it for the rest of the session


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """The small table as a CSV file."""
    path = tmp_path / "table.csv"
    small_table().to_csv(path, index=False)
    return path


@pytest.fixture
def run_in() -> Callable[..., int]:
    """Run the small problem: ``run_in(table, folder, *options)``."""
    return _run


@pytest.fixture(scope="session")
def _finished_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    small_table().to_csv(folder / "table.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ESTIMATORS, Calibrated.name, QuickCalibrated)
        assert _run(folder / "table.csv", folder / "run") == 0
    return folder


@pytest.fixture
def finished(_finished_once: Path, tmp_path: Path) -> Path:
    """The folder of a finished run of the small problem, a fresh copy."""
    return shutil.copytree(_finished_once / "run", tmp_path / "finished")
