"""How close fits in a basis come to fits without one: the accuracy section of ``benchmarks/gradients.py``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cotrain.affinity.linear.linear_fits import fit_subsets
from cotrain.affinity.linear.linear_rows import linear_losses
from cotrain.gradients import Basis, collect, make_basis
from cotrain.gradients.bases import Principal
from cotrain.problem import Problem
from cotrain.training.trainer import Trainer

EXACT_ROWS, SUBSETS = 1500, 40
ASKED = {
    "auto": (100, 200, 400, 800),
    "principal": (100, 200),
    "kronecker": (100, 200, 400),
    "khatri-rao": (100, 200, 400, 800),
}
RIDGES = {"strong": 1e-2, "weak": 1e-3}


class Study:
    """A network trained on a data set, some of its training rows, and some subsets of its tasks."""

    def __init__(self, path: Path) -> None:
        full = Problem.from_npz(path)
        self.subset = full.subset(full.names)
        self.network: nn.Module = Trainer(full).fit(self.subset, seed=0).network
        stream = torch.Generator().manual_seed(0)
        self.problem = _thinned(full, EXACT_ROWS // len(self.subset), stream)
        self.masks = torch.zeros(SUBSETS, len(self.subset), dtype=torch.bool)
        for mask in self.masks:
            size = int(torch.randint(2, max(len(self.subset) // 2, 2) + 1, (), generator=stream))
            mask[torch.randperm(len(self.subset), generator=stream)[:size]] = True
        self.exact = make_basis("exact", self.problem, self.network, self.subset)
        train = collect(self.problem, self.network, self.subset, "train", self.exact)
        everything = torch.ones(1, len(self.subset), dtype=torch.bool)
        self.trace = fit_subsets(train, everything, strength=1.0, corrections=0).ridge * self.exact.dimension

    def basis(self, kind: str, dimension: int) -> Basis:
        """Return a basis by name; ``principal`` knows rows alone, not where fits move."""
        if kind != "principal":
            return make_basis(kind, self.problem, self.network, self.subset, dim=dimension)  # type: ignore[arg-type]
        rows = max(320, 2 * dimension) // len(self.subset)
        landmarks = _thinned(self.problem, rows, torch.Generator().manual_seed(1))
        whole = make_basis("exact", landmarks, self.network, self.subset)
        if not isinstance(whole, Principal):
            raise TypeError("the exact basis spans gradients of rows")
        tasks = collect(landmarks, self.network, self.subset, "train", whole).values()
        directions = torch.linalg.svd(torch.cat([task.features for task in tasks]).double(), full_matrices=False)[2]
        return whole.restricted(directions[:dimension].T)

    def changes(self, basis: Basis) -> list[NDArray[np.float64]]:
        """Return validation-loss changes ``(subsets, tasks)`` at every ridge; NaN outside of a subset."""
        train, validation = (
            collect(self.problem, self.network, self.subset, split, basis) for split in ("train", "validation")
        )
        unit = fit_subsets(train, self.masks, strength=1.0, corrections=0).ridge
        base = linear_losses(validation, torch.zeros(1, basis.dimension))
        found = []
        for ridge in RIDGES.values():
            # The ridge is a share of the trace of the exact Hessian, the same for every basis.
            fits = fit_subsets(train, self.masks, strength=ridge * self.trace / unit, corrections=4)
            change = linear_losses(validation, fits.coefficients) - base
            found.append(change.masked_fill(~self.masks, float("nan")).double().numpy())
        return found


def _thinned(problem: Problem, rows: int, stream: torch.Generator) -> Problem:
    kept = torch.randperm(len(problem.splits["train"]), generator=stream)[:rows]
    return replace(problem, splits={**problem.splits, "train": problem.splits["train"].take(kept)})


def compared(found: NDArray[np.float64], truth: NDArray[np.float64]) -> dict[str, float]:
    """Return correlations over all and within each task (the mean), and the relative error."""
    known = ~np.isnan(truth)
    a, b = found[known], truth[known]
    within = [
        np.corrcoef(found[known[:, task], task], truth[known[:, task], task])[0, 1] for task in range(truth.shape[1])
    ]
    return {
        "correlation": float(np.corrcoef(a, b)[0, 1]),
        "within_tasks": float(np.mean(within)),
        "error": float(np.linalg.norm(a - b) / np.linalg.norm(b)),
    }


def accuracy(path: Path) -> dict[str, Any]:
    """Compare every kind of basis at every dimension with the exact fits of one data set."""
    study = Study(path)
    truth = study.changes(study.exact)
    lines: list[dict[str, Any]] = []
    for kind, dimensions in ASKED.items():
        for dimension in dimensions:
            basis = study.basis(kind, dimension)
            fidelity = getattr(basis, "fidelity", None)
            line = {
                "basis": kind,
                "inner": basis.spec.get("inner", basis.spec)["kind"],
                "dimension": basis.dimension,
                "asked": dimension,
                "energy": fidelity.energy if fidelity else None,
            }
            pairs = zip(RIDGES, study.changes(basis), truth, strict=True)
            lines.append(line | {name: compared(found, true) for name, found, true in pairs})
            print(path.stem, lines[-1], flush=True)
    size = {"rows": study.exact.dimension, "parameters": sum(p.numel() for p in study.network.parameters())}
    return {"data": path.stem, "tasks": len(study.subset), **size, "lines": lines}
