from pathlib import Path

import pytest

from cotrain.errors import InputError
from cotrain.execution.executor import Executor, SerialExecutor
from cotrain.execution.processes import ProcessExecutor, WorkerError
from cotrain.execution.threads import threads

from .work import count_threads, die, die_once, power, refuse

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)


@pytest.mark.parametrize("executor", [SerialExecutor(), ProcessExecutor(2)], ids=["serial", "processes"])
def test_every_job_is_done_once(executor: Executor) -> None:
    found = list(executor.map(power, 3, [4, 0, 2]))
    assert sorted(found) == [(0, 81), (1, 1), (2, 9)]


def test_a_killed_workers_jobs_are_started_again(tmp_path: Path) -> None:
    found = list(ProcessExecutor(1).map(die_once, tmp_path, [0, 1, 2]))
    assert sorted(found) == [(0, 0), (1, 10), (2, 20)]


def test_workers_that_keep_dying_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cotrain.execution.processes.MOST_DEATHS", 1)
    with pytest.raises(WorkerError, match="died 1 times without finishing a job"):
        list(ProcessExecutor(1).map(die, None, [0]))


def test_an_error_of_a_job_comes_through() -> None:
    with pytest.raises(ValueError, match="no 7"):
        list(ProcessExecutor(1).map(refuse, None, [7]))


def test_what_cannot_be_sent_is_refused() -> None:
    with pytest.raises(InputError, match="must be importable, not a lambda"):
        list(ProcessExecutor(1).map(count_threads, lambda: 0, [1]))


def test_workers_share_the_threads() -> None:
    with threads(4):
        assert list(ProcessExecutor(2).map(count_threads, None, [0])) == [(0, 2)]


def test_no_jobs_start_no_workers() -> None:
    assert list(ProcessExecutor(2).map(power, 1, [])) == []


def test_at_least_one_worker() -> None:
    with pytest.raises(InputError, match="`workers` must be at least 1"):
        ProcessExecutor(0)
