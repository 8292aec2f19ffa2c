"""Bases in files: the very same map, on another day and another machine."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from cotrain import files
from cotrain.errors import InputError
from cotrain.gradients.bases import Basis, DenseRandom, Directions, Identity, KhatriRao, Kronecker, Principal
from cotrain.gradients.bases.kronecker import Sides
from cotrain.gradients.bases.parts import Full, RankOne
from cotrain.gradients.digests import tensor_digest
from cotrain.gradients.parameters import Shapes

Spec = Mapping[str, Any]
Tensors = Mapping[str, Tensor]


def save_basis(path: Path, basis: Basis) -> None:
    """Write a basis as one safetensors file, whole or not at all."""
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in basis.tensors.items()}
    content = save(tensors, {"basis": json.dumps({"spec": basis.spec, "shapes": basis.shapes})})
    files.write_atomically(path, lambda stream: stream.write(content))


def load_basis(path: Path) -> Basis:
    """Read what :func:`save_basis` wrote.

    Raises
    ------
    InputError
        When the file is missing, damaged or something else.
    """
    try:
        with safe_open(path, framework="pt") as content:
            described = json.loads(content.metadata()["basis"])
            tensors = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118 - not a mapping
        shapes = {name: tuple(shape) for name, shape in described["shapes"].items()}
        return rebuilt(described["spec"], shapes, tensors)
    except (OSError, SafetensorError, KeyError, TypeError) as error:
        raise InputError(
            f"`path` must be a saved basis. '{path}' is missing, damaged or something else ({error})."
        ) from None


def rebuilt(spec: Spec, shapes: Shapes, tensors: Tensors) -> Basis:
    """Return the basis that has this ``spec`` and these ``tensors``.

    Examples
    --------
    >>> basis = KhatriRao({"weight": (2, 3)}, dimension=4, seed=7)
    >>> again = rebuilt(basis.spec, basis.shapes, basis.tensors)
    >>> again.spec == basis.spec
    True
    """
    return _BUILDERS[spec["kind"]](spec, shapes, tensors)


def _random(build: Callable[..., Basis]) -> Callable[[Spec, Shapes, Tensors], Basis]:
    return lambda spec, shapes, _: build(shapes, dimension=spec["dimension"], seed=spec["seed"])


def _directions(_: Spec, shapes: Shapes, tensors: Tensors) -> Directions:
    sides = _sides(tensors)
    parts = {name: RankOne(**sides[name]) if "left" in sides[name] else Full(**sides[name]) for name in shapes}
    return Directions(shapes, parts)


def _kronecker(_: Spec, shapes: Shapes, tensors: Tensors) -> Kronecker:
    return Kronecker(shapes, {name: Sides(**sides) for name, sides in _sides(tensors).items()})


def _principal(spec: Spec, shapes: Shapes, tensors: Tensors) -> Principal:
    inner = {name.removeprefix("inner/"): tensor for name, tensor in tensors.items() if name != "mixing"}
    base = rebuilt(spec["inner"], shapes, inner)
    if not isinstance(base, (Directions, Kronecker)):
        raise TypeError(f"no principal directions within {base}")
    return Principal(base, tensors["mixing"])


def _sides(tensors: Tensors) -> dict[str, dict[str, Tensor]]:
    """Group tensors by parameter; equal ones become one, as a weight and its bias may share a side."""
    known: dict[str, Tensor] = {}
    grouped: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        name, _, side = key.rpartition("/")
        grouped.setdefault(name, {})[side] = known.setdefault(tensor_digest([("", tensor)]), tensor)
    return grouped


_BUILDERS: dict[str, Callable[[Spec, Shapes, Tensors], Basis]] = {
    Identity.kind: lambda _, shapes, __: Identity(shapes),
    DenseRandom.kind: _random(DenseRandom),
    KhatriRao.kind: _random(KhatriRao),
    Directions.kind: _directions,
    Kronecker.kind: _kronecker,
    Principal.kind: _principal,
}
