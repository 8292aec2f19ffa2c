"""Runs ``cotrain run`` again and again in forks of one process, killing some: torch is imported and warmed up once.

``python kill_driver.py DATA FOLDER SEED...`` leaves FOLDER/whole from a run nobody touched and, for every SEED, a
folder whose run was killed at a random moment (one in each part of the run) and run again, with notes of what was
finished at the kill.
"""

import json
import os
import random
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from cotrain import api, files
from cotrain.affinity.grad_tag import GradTAG
from cotrain.affinity.registry import ESTIMATORS
from cotrain.cli.main import main
from cotrain.evaluation.trained import TrainedGroups

QUICK = ["--networks", "2", "--seeds", "2", "--random-draws", "1", "--epochs", "40", "--hidden", "4"]
OPTIONS = [*QUICK, "--estimator", GradTAG.name]


@dataclass(frozen=True)
class QuickGradTAG(GradTAG):
    """One base and few coordinates: runs are killed and resumed here, estimates are tested elsewhere."""

    bases: int = 1
    projection_dim: int = 4
    meetings: float = 1.0
    strength: float | None = 1e-3


def run(data: str, folder: Path, *, kill_after: float | None = None) -> float:
    """Run in a fork, kill it once it has worked for some seconds of processor time; return how long it worked."""
    child = os.fork()
    if not child:
        _redirect(folder.with_suffix(".log"))
        if kill_after is not None:
            threading.Thread(target=_die, args=[kill_after], daemon=True).start()
        os._exit(main(["run", data, "--out", str(folder), *OPTIONS]))
    _, status, usage = os.wait4(child, 0)
    if kill_after is None and status:
        raise SystemExit(f"the run in {folder} failed: {folder.with_suffix('.log').read_text()}")
    return usage.ru_utime + usage.ru_stime


def killed_and_resumed(data: str, folder: Path, kill_after: float) -> None:
    """Kill one run, note what it had finished, bring it to its end."""
    run(data, folder, kill_after=kill_after)
    finished = {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    stages = folder / "stages.json"
    noted = list(json.loads(stages.read_text())) if stages.exists() else []
    folder.with_suffix(".json").write_text(json.dumps({"files": finished, "stages": noted}))
    run(data, folder)


def _die(seconds: float) -> None:
    """Kill this process without warning; processor time does not depend on what else the machine does."""
    while time.process_time() < seconds:
        time.sleep(0.001)
    os.kill(os.getpid(), signal.SIGKILL)


def _redirect(log: Path) -> None:
    with log.open("w") as stream:
        for descriptor in (1, 2):
            os.dup2(stream.fileno(), descriptor)


def _plain_page(trained: TrainedGroups, path: Path, *, overwrite: bool) -> Path:  # noqa: ARG001 - as the verb has it
    """Stand in for the report, whose drawing would take most of the time."""
    files.write_text(path, trained.verdict.sentence)
    return path


if __name__ == "__main__":
    data, root, seeds = sys.argv[1], Path(sys.argv[2]), sys.argv[3:]
    with patch.dict(ESTIMATORS, {GradTAG.name: QuickGradTAG}), patch.object(api, "report", _plain_page):
        main(["run", data, "--out", str(root / "warm"), "--quiet", *OPTIONS])
        seconds = run(data, root / "whole")
        for number, seed in enumerate(seeds):
            share = (number + random.Random(seed).random()) / len(seeds)
            killed_and_resumed(data, root / seed, seconds * share)
