"""What every path promises."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Protocol, TypeAlias

from torch import Tensor

from cotrain.problem.losses import Outputs
from cotrain.problem.rows import Inputs

MarginFunction: TypeAlias = Callable[[Outputs, Tensor], Sequence[Tensor]]
"""Maps a network's outputs and targets ``(n, tasks)`` to the margins ``(n,)`` of every task."""


class Pass(Protocol):
    """One micro-batch on its way: margins known, gradients of its tasks to be asked for one by one."""

    def margin(self, task: int) -> Tensor:
        """Return margins or residuals ``(n,)``."""
        ...

    def add(self, raw: Tensor, task: int) -> None:
        """Add the coordinates of the gradients of one task's margins to ``raw (n, raw_dimension)``."""
        ...


class Path(Protocol):
    """Takes the gradients of some parameters; the network is in eval mode while it does."""

    name: ClassVar[str]

    def start(self, inputs: Inputs, targets: Tensor, *, several: bool) -> Pass:
        """Run the network on a micro-batch; ``several`` tasks will be asked for, or one."""
        ...
