"""Kill -9 at ten random moments of a run, then run it again: the same figures, nothing finished done twice."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cotrain.affinity.affinity import Affinity
from cotrain.evaluation.verdict import Verdict

DRIVER = Path(__file__).with_name("kill_driver.py")
MOMENTS = [str(seed) for seed in range(10)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not hasattr(os, "fork"):
        pytest.skip("this system cannot fork")
    folder = tmp_path_factory.mktemp("runs")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 3))
    Y = np.stack([X[:, 0] > 0, X[:, 1] > 0, X[:, 0] + X[:, 1] > 0, X[:, 2] > 0], axis=1)
    np.savez(folder / "data.npz", X=X, Y=Y.astype(float), tasks=np.array(list("abcd")))
    # A fork of a process with several threads may hang.
    alone = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = [sys.executable, str(DRIVER), str(folder / "data.npz"), str(folder), *MOMENTS]
    done = subprocess.run(command, env=alone, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def _figures(folder: Path) -> dict[str, tuple[list[float], list[float]]]:
    arms = Verdict.load(folder / "verdict.npz").arms
    return {name: (arm.test_loss.ravel().tolist(), arm.test_metric.ravel().tolist()) for name, arm in arms.items()}


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_run_ends_like_an_untouched_one(runs: Path, moment: str) -> None:
    killed, whole = runs / moment, runs / "whole"
    assert _figures(killed) == _figures(whole)
    there, here = (Affinity.load(folder / "affinity.npz").matrix for folder in (whole, killed))
    np.testing.assert_array_equal(here, there)
    assert (killed / "grouping.json").read_text() == (whole / "grouping.json").read_text()
    assert not list(killed.rglob("*.part"))


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
def test_what_was_finished_is_not_done_again(runs: Path, moment: str) -> None:
    notes, folder = json.loads((runs / f"{moment}.json").read_text()), runs / moment
    log = (runs / f"{moment}.log").read_text()
    for stage in notes["stages"]:
        if stage != "report.html":
            assert f"recalled from {stage}" in log
    finished = [name for name in notes["files"] if name in notes["stages"] or name.startswith("fits/")]
    for name in finished:
        if not name.endswith(".part"):
            assert (folder / name).stat().st_mtime_ns == notes["files"][name]


@pytest.mark.slow
def test_the_moments_are_spread_over_the_run(runs: Path) -> None:
    stages = {len(json.loads((runs / f"{moment}.json").read_text())["stages"]) for moment in MOMENTS}
    assert len(stages) > 1
