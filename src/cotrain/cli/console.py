"""What people see while work goes on: lines and a progress bar on stderr; results alone go to stdout."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from cotrain.training.progress import Progress


class Console:
    """Talks to people on stderr.

    Parameters
    ----------
    quiet
        Say nothing but errors.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet

    def say(self, line: str) -> None:
        """Print one line."""
        if not self.quiet:
            print(line, file=sys.stderr, flush=True)

    @contextmanager
    def progress(self, title: str) -> Iterator[Progress | None]:
        """Show a bar while the block works; nothing where stderr is not a terminal."""
        if self.quiet or not sys.stderr.isatty():
            yield None
            return
        from rich import console, progress

        columns = (
            progress.BarColumn(bar_width=20),
            progress.TextColumn("{task.description}", markup=False),
            progress.TextColumn("{task.completed:.0f} done"),
            progress.TimeElapsedColumn(),
        )
        with progress.Progress(*columns, console=console.Console(file=sys.stderr), transient=True) as bars:
            yield _Bar(bars, bars.add_task(title, total=None), title)


class _Bar:
    """Moves a bar by one for every piece of work that is done."""

    def __init__(self, bars: Bars, task: TaskID, title: str) -> None:
        self._bars, self._task, self._title = bars, task, title

    def advance(self, description: str) -> None:
        self._bars.update(self._task, advance=1, description=f"{self._title}: {description}")
