"""Runs jobs in processes of their own on this machine."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pickle import PicklingError
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from cotrain import checks
from cotrain.errors import CotrainError, InputError

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext, SpawnContext

Shared = TypeVar("Shared")
Job = TypeVar("Job")
Result = TypeVar("Result")

PRELOADED = ("torch", "torch._dynamo", "sklearn.metrics")
MOST_DEATHS = 3
"""In a row, without a job finished in between."""

_shared: Any = None


class WorkerError(CotrainError):
    """Worker processes keep dying."""


class ProcessExecutor:
    """Runs jobs in worker processes; jobs of a worker that was killed are started again.

    Workers do not copy this process but start clean, so a script that uses them needs ``if __name__ == "__main__":``
    around its own work, and everything sent to them must be importable: functions and classes of modules, no lambdas.
    Each gets its share of torch's threads.

    Parameters
    ----------
    workers
        Number of processes.
    """

    def __init__(self, workers: int) -> None:
        checks.at_least("workers", workers, 1)
        self.workers = workers

    def map(
        self, function: Callable[[Shared, Job], Result], shared: Shared, jobs: Sequence[Job]
    ) -> Iterator[tuple[int, Result]]:
        """Call ``function(shared, job)`` for every job; see :meth:`Executor.map`.

        Raises
        ------
        InputError
            When ``shared`` cannot be sent to another process.
        WorkerError
            When workers die again and again without finishing a job.
        """
        left, deaths = dict(enumerate(jobs)), 0
        while left:
            before = len(left)
            for number, result in self._round(function, shared, left):
                del left[number]
                yield number, result
            deaths = deaths + 1 if len(left) == before else 0
            if deaths == MOST_DEATHS:
                raise WorkerError(
                    f"Worker processes died {MOST_DEATHS} times without finishing a job. Look for lack of memory, or "
                    'for a script that starts workers outside `if __name__ == "__main__":`.'
                )

    def _round(
        self, function: Callable[[Shared, Job], Result], shared: Shared, jobs: Mapping[int, Job]
    ) -> Iterator[tuple[int, Result]]:
        """Run jobs until all have finished or a worker has died."""
        pool = ProcessPoolExecutor(
            min(self.workers, len(jobs)),
            mp_context=clean_context(),
            initializer=_start_worker,
            initargs=(shared, max(1, torch.get_num_threads() // self.workers)),
        )
        try:
            numbers = _submit(pool, function, dict(jobs))
            for future in as_completed(numbers):
                if not isinstance(future.exception(), BrokenProcessPool):
                    yield numbers[future], future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def clean_context() -> ForkServerContext | SpawnContext:
    """Return what starts clean processes: where it exists, a server that imports torch once for all of them."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    return context


def _submit(
    pool: ProcessPoolExecutor, function: Callable[[Any, Job], Result], jobs: Mapping[int, Job]
) -> dict[Future[Result], int]:
    try:
        return {pool.submit(_work, function, job): number for number, job in jobs.items()}
    except (PicklingError, AttributeError, TypeError) as error:
        raise InputError(
            f"What worker processes need must be importable, not a lambda or a local function ({error}). "
            "Define it at the top of a module or train in this process."
        ) from error


def _start_worker(shared: object, threads: int) -> None:
    global _shared  # noqa: PLW0603 - the one thing a worker keeps between jobs
    _shared = shared
    torch.set_num_threads(threads)


def _work(function: Callable[[Any, Job], Result], job: Job) -> Result:
    return function(_shared, job)
