"""Gradient aggregators by name: TorchJD's, and our own in its form."""

from __future__ import annotations

import warnings
from copy import deepcopy

from torch import Tensor, nn

from cotrain.errors import MissingExtraError

SUMS = ("pcgrad", "wpcgrad", "gradvac", "graddrop", "config")
"""Without conflict these are the sum of the tasks' gradients, and the others on the scale of their mean."""
CAGRAD_RADIUS = 0.5
FAIRNESS = 1.0


class Aggregation(nn.Module):
    """An aggregator and the scale on which its gradients are those of the mean loss where nothing conflicts.

    Parameters
    ----------
    aggregator
        Maps a Jacobian ``(tasks, numbers)`` to a gradient ``(numbers,)``.
    factor
        What its gradients are multiplied by.
    """

    def __init__(self, aggregator: nn.Module, *, factor: float = 1.0) -> None:
        super().__init__()
        self.aggregator, self.factor = aggregator, factor

    @property
    def remembers(self) -> bool:
        """Whether it keeps a state from step to step, and so needs the same tasks in each."""
        from torchjd import Stateful

        return any(isinstance(module, Stateful) for module in self.modules())

    def forward(self, jacobian: Tensor) -> Tensor:
        """Return the gradient."""
        with warnings.catch_warnings():
            # Nash-MTL's own formulation, about which a user can do nothing.
            warnings.filterwarnings("ignore", message="You are solving a parameterized problem that is not DPP")
            gradient: Tensor = self.aggregator(jacobian)
        return gradient * self.factor


def aggregation_of(chosen: str | nn.Module, tasks: int) -> Aggregation:
    """Return a fresh aggregation by name, or one of an aggregator of the user's own (a copy, its memory erased).

    Raises
    ------
    MissingExtraError
        When TorchJD, or what it needs for this aggregator, is not installed.
    """
    try:
        if isinstance(chosen, str):
            return Aggregation(_named(chosen, tasks), factor=1.0 / tasks if chosen in SUMS else 1.0)
        import torchjd
    except ImportError as error:
        raise MissingExtraError(f"the gradient aggregation '{chosen}'", extra="aggregation") from error
    own = deepcopy(chosen)
    if isinstance(own, torchjd.Stateful):
        own.reset()
    return Aggregation(own)


def _named(name: str, tasks: int) -> nn.Module:
    from torchjd import aggregation as known

    from cotrain.training.balancing.wpcgrad import WPCGrad

    if name == "cagrad":
        return known.CAGrad(c=CAGRAD_RADIUS)
    if name == "fairgrad":
        return known.FairGrad(alpha=FAIRNESS)
    if name == "nash-mtl":
        return known.NashMTL(n_tasks=tasks)
    if name == "wpcgrad":
        return WPCGrad()
    simple: dict[str, type[nn.Module]] = {
        "pcgrad": known.PCGrad,
        "upgrad": known.UPGrad,
        "mgda": known.MGDA,
        "imtl-g": known.IMTLG,
        "aligned-mtl": known.AlignedMTL,
        "gradvac": known.GradVac,
        "graddrop": known.GradDrop,
        "config": known.ConFIG,
        "dualproj": known.DualProj,
    }
    return simple[name]()
