"""Bases by name."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias, get_args

from torch import nn

from cotrain import checks
from cotrain.gradients.bases import Basis, DenseRandom, Identity, KhatriRao
from cotrain.gradients.data_bases import DataBases
from cotrain.gradients.parameters import Patterns, parameter_shapes
from cotrain.problem.problem import Problem
from cotrain.problem.task import Subset

BasisKind: TypeAlias = Literal["auto", "landmarks", "kronecker", "exact", "khatri-rao", "dense", "identity"]


def make_basis(
    kind: BasisKind,
    problem: Problem,
    network: nn.Module,
    subset: Subset,
    *,
    dim: int = 200,
    seed: int = 0,
    parameters: Patterns = "*",
) -> Basis:
    """Return a basis for the gradients of ``network``.

    Parameters
    ----------
    kind
        * ``"landmarks"``: within the gradients of some training rows and the tasks' mean gradients, the directions
          along which fits of subsets move and rows differ;
        * ``"kronecker"``: the same within the leading directions of both sides of every weight, the cheapest basis for
          convolutions and sequences;
        * ``"exact"``: the span of the gradients of all training rows, for few rows;
        * ``"identity"``: every parameter entry, for few parameters;
        * ``"khatri-rao"``, ``"dense"``: random, without a look at data; inner products hold up to noise;
        * ``"auto"``: identity where there are at most ``dim`` entries, else landmarks, or kronecker where a layer sees
          many positions and landmarks would cost more.
    problem, network, subset
        As in :func:`~cotrain.gradients.collect`; a basis may look at training rows.
    dim
        Number of coordinates, except for the exact kinds.
    seed
        Of everything random.
    parameters
        Name patterns of the parameters that may move.

    Notes
    -----
    A random basis restricts updates to ``dim`` random directions, which costs accuracy that principal directions of
    gradients keep; ``benchmarks/results/gradients.md`` has both on real data.

    Examples
    --------
    >>> make_basis("nearest", None, nn.Linear(2, 1), ("a",))
    Traceback (most recent call last):
    ...
    cotrain.errors.InputError: `basis` must be one of 'auto', 'landmarks', ... Found 'nearest'.
    """
    checks.one_of("basis", kind, get_args(BasisKind))
    shapes = parameter_shapes(network, parameters)
    entries = sum(math.prod(shape) for shape in shapes.values())
    if kind == "identity" or (kind == "auto" and entries <= dim):
        return Identity(shapes)
    if kind == "khatri-rao":
        return KhatriRao(shapes, dimension=dim, seed=seed)
    if kind == "dense":
        return DenseRandom(shapes, dimension=dim, seed=seed)
    made = DataBases(problem, network, subset, shapes, dimension=None if kind == "exact" else dim, seed=seed)
    if kind == "auto":
        return made.best()
    return made.kronecker() if kind == "kronecker" else made.landmarks()
