"""A base network, linearised in projected coordinates: updates for subsets, and their losses on validation rows."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cotrain.affinity.linear.linear_fits import fit_subsets
from cotrain.affinity.linear.linear_rows import linear_losses
from cotrain.affinity.linear.ridge_strength import choose_strength
from cotrain.gradients import Basis, TaskGradients, collect, make_basis
from cotrain.gradients.choose_basis import BasisKind
from cotrain.problem.problem import Problem
from cotrain.training.fit import Fit
from cotrain.training.trainer import Trainer

_PROBES = 32
"""Subsets that the ridge strength is chosen on."""


@dataclass(frozen=True, eq=False)
class Linearised:
    """Rows of all tasks around one base network.

    Parameters
    ----------
    train, validation
        Task name -> its rows, in the problem's order.
    basis
        What the coordinates mean; ``basis.lift`` leads back to parameters.
    """

    train: Mapping[str, TaskGradients]
    validation: Mapping[str, TaskGradients]
    basis: Basis

    def best_strength(self, mask: NDArray[np.bool_]) -> tuple[float, bool]:
        """Return the ridge strength with the least validation loss over some subsets, and whether it ends the grid."""
        probes = np.unique(np.linspace(0, len(mask) - 1, _PROBES).round().astype(int))
        choice = choose_strength(self.train, self.validation, torch.from_numpy(mask[probes]))
        return choice.strength, choice.at_edge

    def updates(self, mask: NDArray[np.bool_], strength: float, *, corrections: int = 2) -> Tensor:
        """Return one update ``(subsets, d)`` per subset; the empty subset stays at the base."""
        return fit_subsets(self.train, torch.from_numpy(mask), strength=strength, corrections=corrections).coefficients

    def losses(self, updates: Tensor) -> NDArray[np.float64]:
        """Return mean validation losses ``(updates, tasks)`` of the linearised network.

        No projection error enters here: ``g . (P w) = (P' g) . w``, so these are the losses of the full-space linear
        model at the lifted update.
        """
        return linear_losses(self.validation, updates).double().cpu().numpy()


def linearise(problem: Problem, base: Fit, *, kind: BasisKind, dim: int, seed: int) -> Linearised:
    """Linearise all rows of training and validation around ``base``, a fit of all tasks."""
    basis = make_basis(kind, problem, base.network, base.subset, dim=dim, seed=seed)
    train, validation = (collect(problem, base.network, base.subset, split, basis) for split in ("train", "validation"))
    return Linearised(
        {name: train[name] for name in problem.names}, {name: validation[name] for name in problem.names}, basis
    )


def forward_losses(trainer: Trainer, base: Fit, updates: Sequence[Mapping[str, Tensor]]) -> NDArray[np.float64]:
    """Return mean validation losses ``(updates, tasks)`` of the network itself after each update of its parameters."""
    order = [base.subset.index(name) for name in trainer.problem.names]
    losses = [trainer.evaluate(_moved(base, update), "validation").loss[order] for update in updates]
    return np.array(losses).reshape(len(updates), len(order))


def _moved(base: Fit, update: Mapping[str, Tensor]) -> Fit:
    network = copy.deepcopy(base.network)
    with torch.no_grad():
        parameters = dict(network.named_parameters())
        for name, step in update.items():
            parameters[name].add_(step.to(parameters[name]))
    return replace(base, network=network)
