"""Where independent jobs run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

Shared = TypeVar("Shared")
Job = TypeVar("Job")
Result = TypeVar("Result")


class Executor(Protocol):
    """Runs jobs that do not depend on one another."""

    def map(
        self, function: Callable[[Shared, Job], Result], shared: Shared, jobs: Sequence[Job]
    ) -> Iterator[tuple[int, Result]]:
        """Call ``function(shared, job)`` for every job.

        Parameters
        ----------
        function
            Importable and idempotent: a job may be started again when its worker has died.
        shared
            What all jobs need; sent to every worker once.
        jobs
            One call each.

        Returns
        -------
        Iterator[tuple[int, Result]]
            Number of the job and its result, as they finish.
        """
        ...


class SerialExecutor:
    """Runs one job after another in this process.

    Examples
    --------
    >>> list(SerialExecutor().map(pow, 2, [3, 4]))
    [(0, 8), (1, 16)]
    """

    def map(
        self, function: Callable[[Shared, Job], Result], shared: Shared, jobs: Sequence[Job]
    ) -> Iterator[tuple[int, Result]]:
        """Call ``function(shared, job)`` for every job, in order."""
        return ((number, function(shared, job)) for number, job in enumerate(jobs))
