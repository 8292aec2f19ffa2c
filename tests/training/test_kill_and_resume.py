import multiprocessing
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from cotrain.execution.processes import clean_context

from .killed import train_all

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)


@contextmanager
def training(folder: Path) -> Iterator[tuple[BaseProcess, Connection]]:
    """A process of its own that trains."""
    here, there = multiprocessing.Pipe()
    process = clean_context().Process(target=train_all, args=(folder, there))
    process.start()
    there.close()
    assert here.recv() == "ready"
    yield process, here
    process.join()
    here.close()


def kill_after(seconds: float, folder: Path) -> None:
    with training(folder) as (process, _):
        time.sleep(seconds)
        process.kill()


def finish(folder: Path) -> object:
    with training(folder) as (_, answers):
        return answers.recv()


def test_a_run_killed_at_random_moments_ends_with_the_same_numbers(tmp_path: Path) -> None:
    expected = finish(tmp_path / "quiet")
    folder, moments = tmp_path / "killed", random.Random(5)
    written: dict[Path, int] = {}
    for _ in range(10):
        kill_after(moments.uniform(0.0, 0.3), folder)
        fits = {path: path.stat().st_mtime_ns for path in folder.glob("*/fits/*.safetensors")}
        assert written.items() <= fits.items()  # what was finished is not written again
        written = fits
    assert finish(folder) == expected
    assert list(folder.glob("*/checkpoints/*.safetensors")) == []
