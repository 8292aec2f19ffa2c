"""Runs ``cotrain run`` again and again in forks of one process, killing some: torch is imported and warmed up once.

``python kill_driver.py DATA FOLDER SEED...`` leaves FOLDER/whole from a run nobody touched and, for every SEED, a
folder whose run was killed at a random moment and run again, with notes of what was finished at the kill. A moment is
told in files that the run has finished, so the moments are spread over its stages however fast the machine is.
"""

import itertools
import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
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


@dataclass(frozen=True)
class Moment:
    """Some processor time after a run has finished that many files, or when it finishes the next."""

    files: int
    seconds: float

    def finished(self, files: int) -> None:
        """Take note of the number of finished files; die where it is time."""
        if files == self.files:
            threading.Thread(target=_die, args=[time.process_time() + self.seconds], daemon=True).start()
        elif files > self.files:
            _die(0.0)


def run(data: str, folder: Path, finished: Callable[[int], None]) -> int:
    """Run in a fork that calls ``finished`` at its start and after every file; return the exit status."""
    child = os.fork()
    if not child:
        _redirect(folder.with_suffix(".log"))
        _watch(finished)
        os._exit(main(["run", data, "--out", str(folder), *OPTIONS]))
    return os.waitpid(child, 0)[1]


def to_its_end(data: str, folder: Path) -> list[float]:
    """Run to the end; return the processor time at which it began and at which each file was finished."""
    times = folder.with_suffix(".times")
    times.write_text("")
    with times.open("a", buffering=1) as stream:
        status = run(data, folder, lambda _: print(time.process_time(), file=stream))
    if status:
        raise SystemExit(f"the run in {folder} failed: {folder.with_suffix('.log').read_text()}")
    return [float(line) for line in times.read_text().split()]


def killed_and_resumed(data: str, folder: Path, moment: Moment) -> None:
    """Kill one run, note what it had finished, bring it to its end."""
    run(data, folder, moment.finished)
    finished = {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    stages = folder / "stages.json"
    noted = list(json.loads(stages.read_text())) if stages.exists() else []
    folder.with_suffix(".json").write_text(json.dumps({"files": finished, "stages": noted}))
    to_its_end(data, folder)


def _watch(finished: Callable[[int], None]) -> None:
    """Have every file that takes its final name counted; this process is a fork, so nothing is put back."""
    replace, number = Path.replace, itertools.count(1)

    def counted(self: Path, target: Path) -> Path:
        found = replace(self, target)
        finished(next(number))
        return found

    patch.object(Path, "replace", counted).start()
    finished(0)


def _die(process_time: float) -> None:
    """Kill this process without warning once it has worked that long, whatever else the machine does."""
    while time.process_time() < process_time:
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
        times = to_its_end(data, root / "whole")
        for number, seed in enumerate(seeds):
            part, share = divmod((number + random.Random(seed).random()) / len(seeds) * (len(times) - 1), 1)
            last = int(part)
            moment = Moment(last, share * (times[last + 1] - times[last]))
            killed_and_resumed(data, root / seed, moment)
