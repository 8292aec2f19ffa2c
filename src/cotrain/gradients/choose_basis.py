"""Bases by name."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias, get_args

from torch import nn

from cotrain import checks
from cotrain.gradients.bases import Basis, DenseRandom, Identity, KhatriRao
from cotrain.gradients.parameters import Patterns, parameter_shapes
from cotrain.problem.problem import Problem
from cotrain.problem.task import Subset

BasisKind: TypeAlias = Literal["auto", "khatri-rao", "dense", "identity"]


def make_basis(
    kind: BasisKind,
    problem: Problem,  # noqa: ARG001 - bases made from data need it
    network: nn.Module,
    subset: Subset,  # noqa: ARG001
    *,
    dim: int = 200,
    seed: int = 0,
    parameters: Patterns = "*",
) -> Basis:
    """Return a basis for the gradients of ``network``.

    Parameters
    ----------
    kind
        ``"identity"`` (exact, for networks of few parameters), ``"khatri-rao"`` (random and cheap), ``"dense"``
        (random) or ``"auto"``: identity where the network has at most ``dim`` parameters, else random.
    problem, network, subset
        As in :func:`~cotrain.gradients.collect`; a basis may look at training rows.
    dim
        Number of coordinates, except for the identity.
    seed
        Of everything random.
    parameters
        Name patterns of the parameters that may move.

    Examples
    --------
    >>> make_basis("nearest", None, nn.Linear(2, 1), ("a",))
    Traceback (most recent call last):
    ...
    cotrain.errors.InputError: `basis` must be one of 'auto', 'khatri-rao', 'dense', 'identity'. Found 'nearest'.
    """
    checks.one_of("basis", kind, get_args(BasisKind))
    shapes = parameter_shapes(network, parameters)
    entries = sum(math.prod(shape) for shape in shapes.values())
    if kind == "identity" or (kind == "auto" and entries <= dim):
        return Identity(shapes)
    if kind == "dense":
        return DenseRandom(shapes, dimension=dim, seed=seed)
    return KhatriRao(shapes, dimension=dim, seed=seed)
