"""What a gradient store belongs to: everything that changes its numbers, in ``manifest.json`` and in every file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import nn

from cotrain import checks, files
from cotrain._version import __version__
from cotrain.errors import InputError, MismatchError
from cotrain.gradients.bases.basis import Basis
from cotrain.gradients.digests import tensor_digest

FORMAT = 1
"""Raised whenever the layout of the files or the numbers in them change."""
DTYPES = ("float32", "bfloat16", "float16")


@dataclass(frozen=True)
class StoreSpec:
    """Everything that changes the numbers of a store, rows and heads aside (those are checked row by row).

    Parameters
    ----------
    weights
        Digest of the parameters whose gradients are taken.
    parameters
        Their names and shapes, in order.
    basis
        Kind, dimension, seed and the like, with a digest of its tensors.
    dtype
        How features are stored: ``"float32"``, ``"bfloat16"`` or ``"float16"``.
    format
        Version of the files.

    Examples
    --------
    >>> from cotrain.gradients.bases.identity import Identity
    >>> network = nn.Linear(3, 1)
    >>> spec = StoreSpec.of(network, Identity({"weight": (1, 3)}))
    >>> spec.dimension, spec.differences(StoreSpec.of(nn.Linear(3, 1), Identity({"weight": (1, 3)})))
    (3, ['weights'])
    """

    weights: str
    parameters: Mapping[str, list[int]]
    basis: Mapping[str, Any]
    dtype: str = "float32"
    format: int = FORMAT

    def __post_init__(self) -> None:
        checks.one_of("dtype", self.dtype, DTYPES)

    @classmethod
    def of(cls, network: nn.Module, basis: Basis, *, dtype: str = "float32") -> StoreSpec:
        """Return the spec of gradients of ``network`` in the coordinates of ``basis``."""
        known = dict(network.named_parameters())
        weights = tensor_digest((name, known[name]) for name in basis.shapes)
        return cls(weights, *_described(basis), dtype)

    def fits(self, basis: Basis) -> bool:
        """Return whether ``basis`` is the one of this spec."""
        return (self.parameters, self.basis) == _described(basis)

    @property
    def dimension(self) -> int:
        """Number of coordinates."""
        return int(self.basis["dimension"])

    def to_json(self) -> str:
        """Return the spec as canonical JSON: equal specs are equal texts."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> StoreSpec:
        """Return the spec that :meth:`to_json` wrote."""
        return cls(**json.loads(text))

    def differences(self, other: StoreSpec) -> list[str]:
        """Return the names of the fields that differ; those of the basis and the parameters one by one."""
        mine, theirs = _flat(self), _flat(other)
        return [name for name in sorted(mine | theirs) if mine.get(name) != theirs.get(name)]

    def require(self, wanted: StoreSpec, path: Path) -> None:
        """Refuse to mix what is stored at ``path`` with gradients of another spec.

        Raises
        ------
        MismatchError
            Naming every field that differs.
        """
        stored, used = _flat(self), _flat(wanted)
        found = [
            f"`{name}` (stored: {stored.get(name)}, in use: {used.get(name)})" for name in self.differences(wanted)
        ]
        if found:
            raise MismatchError(
                f"The gradient store '{path}' was made for something else. Differences: {', '.join(found)}. "
                "Go back to what it was made for, or choose a new folder."
            )


def write_manifest(path: Path, spec: StoreSpec) -> None:
    """Write ``manifest.json`` whole or not at all."""
    content = {"kind": "gradient store", "cotrain": __version__, "spec": json.loads(spec.to_json())}
    files.write_text(path, json.dumps(content, indent=2) + "\n")


def read_manifest(path: Path) -> StoreSpec:
    """Return the spec in a manifest.

    Raises
    ------
    InputError
        When the file is not a manifest; a store's own files can rebuild it.
    """
    try:
        content = json.loads(path.read_text())
        return StoreSpec.from_json(json.dumps(content["spec"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"`path` must hold a gradient store. Its manifest '{path}' cannot be read ({error}). Delete that file: it "
            "is rebuilt from the store's other files."
        ) from None


def _described(basis: Basis) -> tuple[dict[str, list[int]], dict[str, Any]]:
    """Return shapes and everything else of a basis as JSON would give them back."""
    tensors = tensor_digest(sorted(basis.tensors.items()))
    described = {**basis.spec, "dimension": basis.dimension, "tensors": tensors}
    return {name: list(shape) for name, shape in basis.shapes.items()}, json.loads(json.dumps(described))


def _flat(spec: StoreSpec) -> dict[str, Any]:
    fields = asdict(spec)
    for group in ("basis", "parameters"):
        fields |= {f"{group}.{name}": value for name, value in fields.pop(group).items()}
    return fields
