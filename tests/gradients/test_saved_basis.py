"""A basis read back is the same map, to the last bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from cotrain.errors import InputError
from cotrain.gradients.bases import Basis, DenseRandom, Directions, Identity, KhatriRao, Kronecker, Principal
from cotrain.gradients.bases.kronecker import Sides
from cotrain.gradients.bases.parts import Full, RankOne
from cotrain.gradients.saved_basis import load_basis, save_basis

SHAPES = {"a.weight": (4, 3), "a.bias": (4,), "odd/name": (2, 2, 2)}


def directions() -> Directions:
    left = torch.randn(4, 5)
    parts = {"a.weight": RankOne(left, torch.randn(3, 5)), "a.bias": RankOne(left, torch.randn(1, 5))}
    return Directions(SHAPES, {**parts, "odd/name": Full(torch.randn(8, 5))})


def kronecker() -> Kronecker:
    sides = {"a.weight": (4, 3), "a.bias": (4, 1), "odd/name": (2, 4)}
    return Kronecker(SHAPES, {name: Sides(torch.eye(o)[:, :2], torch.eye(i)[:, :1]) for name, (o, i) in sides.items()})


BASES: dict[str, Callable[[], Basis]] = {
    "identity": lambda: Identity(SHAPES),
    "dense": lambda: DenseRandom(SHAPES, dimension=6, seed=3),
    "khatri-rao": lambda: KhatriRao(SHAPES, dimension=6, seed=3),
    "directions": directions,
    "kronecker": kronecker,
    "principal directions": lambda: Principal(directions(), torch.randn(5, 3)),
    "principal khatri-rao": lambda: Principal(KhatriRao(SHAPES, dimension=6, seed=3), torch.randn(6, 3)),
    "principal kronecker": lambda: Principal(kronecker(), torch.randn(6, 3)),
}


@pytest.mark.parametrize("name", BASES)
def test_a_basis_read_back_is_the_same_map(tmp_path: Path, name: str) -> None:
    basis = BASES[name]()
    save_basis(tmp_path / "basis.safetensors", basis)
    again = load_basis(tmp_path / "basis.safetensors")
    assert type(again) is type(basis)
    assert again.spec == basis.spec
    assert again.shapes == basis.shapes
    gradients = {key: torch.randn(7, *shape) for key, shape in SHAPES.items()}
    assert torch.equal(again.apply(gradients), basis.apply(gradients))
    w = torch.randn(basis.dimension)
    assert all(torch.equal(again.lift(w)[key], update) for key, update in basis.lift(w).items())


def test_shared_sides_are_shared_again(tmp_path: Path) -> None:
    save_basis(tmp_path / "basis.safetensors", directions())
    again = load_basis(tmp_path / "basis.safetensors")
    assert isinstance(again, Directions)
    first, second = again.parts["a.weight"], again.parts["a.bias"]
    assert isinstance(first, RankOne)
    assert isinstance(second, RankOne)
    assert first.left is second.left


@pytest.mark.parametrize("content", [None, b"", b"{}", b"\x02\x00\x00\x00\x00\x00\x00\x00{}"])
def test_anything_else_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "basis.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match="`path` must be a saved basis"):
        load_basis(path)
