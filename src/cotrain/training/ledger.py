"""What was finished: fits kept in a folder and recalled instead of trained again."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cotrain.cost import Cost
from cotrain.problem.problem import Problem
from cotrain.problem.task import Subset
from cotrain.training.checkpoint import Checkpoint
from cotrain.training.fit import Fit
from cotrain.training.tensor_file import add_tensor, load_tensors, prefixed, save_tensors, unprefixed
from cotrain.training.untrained import Job

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


class Ledger:
    """Finished fits of one problem, one file each in ``fits``; trainings under way likewise in ``checkpoints``.

    A file states the problem's data and options, the network's structure and its untrained weights. A file of another
    problem or network is refused by name, never recalled. What was trained by another ``method`` than the ordinary one,
    described by its parameters, has files of its own.

    Parameters
    ----------
    folder
        Where files are kept.
    problem
        What is learned.
    """

    def __init__(self, folder: Path, problem: Problem) -> None:
        self.folder = folder
        self.problem = problem

    def recall(self, subset: Subset, seed: int, untrained: nn.Module, *, method: str = "") -> Fit | None:
        """Return a finished fit, its weights put into ``untrained``; None when it is not finished."""
        expected = {"kind": "fit", **self.origin(subset, seed, untrained)}
        found = load_tensors(self.path(subset, seed, method=method), expected)
        if found is None:
            return None
        header, tensors = found
        untrained.load_state_dict(unprefixed("network.", tensors))
        return Fit(
            subset=subset,
            seed=seed,
            network=untrained.eval(),
            validation_loss=tensors["validation_loss"].numpy(),
            curve=tensors["curve"].numpy(),
            steps=header["steps"],
            converged=header["converged"],
            cost=Cost(**header["cost"]),
        )

    def record(self, fit: Fit, origin: Mapping[str, Any], *, method: str = "") -> None:
        """Keep a finished fit; ``origin`` as :meth:`origin` gave it for the untrained network."""
        header = {"kind": "fit", **origin, "steps": fit.steps, "converged": fit.converged, "cost": fit.cost.to_dict()}
        arrays = {"validation_loss": torch.from_numpy(fit.validation_loss), "curve": torch.from_numpy(fit.curve)}
        tensors = prefixed("network.", fit.network.state_dict()) | arrays
        save_tensors(self.path(fit.subset, fit.seed, method=method), header, tensors)

    def origin(self, subset: Subset, seed: int, untrained: nn.Module) -> dict[str, Any]:
        """Return what a stored result depends on, as plain values."""
        return {
            "subset": list(subset),
            "seed": seed,
            "problem": self.problem.fingerprint,
            "network": network_digest(untrained),
        }

    def path(self, subset: Subset, seed: int, *, method: str = "") -> Path:
        """Return the file of one fit."""
        return self._file("fits", [[list(subset), seed]], method)

    def checkpoint(self, jobs: Sequence[Job], untrained: nn.Module, *, every: float, method: str = "") -> Checkpoint:
        """Return the checkpoint of jobs that train together, or of a single one."""
        listed = [[list(subset), seed] for subset, seed in jobs]
        origin = {"jobs": listed, "problem": self.problem.fingerprint, "network": network_digest(untrained)}
        return Checkpoint(self._file("checkpoints", listed, method), origin, every=every)

    def _file(self, room: str, jobs: list[list[object]], method: str) -> Path:
        name = hashlib.sha256((json.dumps(jobs) + method).encode()).hexdigest()[:24]
        return self.folder / room / f"{name}.safetensors"


def network_digest(network: nn.Module) -> str:
    """Return a digest of a network's structure and weights that is the same in every process.

    Examples
    --------
    >>> network_digest(nn.Dropout(0.1)) == network_digest(nn.Dropout(0.2))
    False
    """
    digest = hashlib.sha256()
    for name, module in network.named_modules():
        kind = f"{type(module).__module__}.{type(module).__qualname__}"
        digest.update(_ADDRESS.sub("", f"{name}: {kind}({module.extra_repr()})\n").encode())
    for name, value in sorted(network.state_dict().items()):
        add_tensor(digest, name, value)
    return digest.hexdigest()
