"""Heads in closed form: a task's own regression on what the untrained shared layers return."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import nn

from cotrain.affinity.linear.linear_fits import fit_subsets
from cotrain.gradients.bases.identity import Identity
from cotrain.gradients.collect import collect
from cotrain.gradients.parameters import parameter_shapes
from cotrain.problem.problem import Problem

_STRENGTH = 1e-2
_CORRECTIONS = 4


def fit_head(problem: Problem, task: str, network: nn.Module, *, shared: Collection[str]) -> None:
    """Fit all parameters of a task's own network that are not shared, in place; exact for linear heads.

    Cost: one forward pass over the task's training rows and a few Newton-like steps in the size of the head.
    """
    shapes = {name: shape for name, shape in parameter_shapes(network).items() if name not in shared}
    if not shapes:
        return
    basis = Identity(shapes)
    rows = collect(problem, network, (task,), "train", basis)
    fits = fit_subsets(rows, torch.ones(1, 1, dtype=torch.bool), strength=_STRENGTH, corrections=_CORRECTIONS)
    with torch.no_grad():
        for name, step in basis.lift(fits.coefficients[0]).items():
            weight = network.get_parameter(name)
            weight.add_(step.to(weight))
