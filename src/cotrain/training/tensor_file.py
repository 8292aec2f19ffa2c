"""Tensors and a JSON header in one safetensors file that is whole, recognised and undamaged, or refused by name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from cotrain.errors import InputError, MismatchError
from cotrain.files import write_atomically


def save_tensors(path: Path, header: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Write a file that :func:`load_tensors` reads back; folders are made as needed.

    Raises
    ------
    InputError
        When the file cannot be written (a full disk, no permission); no partial file is left.
    """
    # Cloned, because safetensors refuses tensors that share memory, as tied weights do.
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    text = json.dumps(header)
    content = save(plain, {"header": text, "digest": _digest(text, plain)})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lambda stream: stream.write(content))
    except OSError as error:
        raise InputError(
            f"'{path}' cannot be written: {error.strerror or error}. Free some space or choose another folder."
        ) from error


def load_tensors(path: Path, expected: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
    """Return header and tensors of a file, or None where there is no file.

    Parameters
    ----------
    path
        Written by :func:`save_tensors`.
    expected
        What the header must hold.

    Raises
    ------
    InputError
        When the file is damaged or not one of cotrain's.
    MismatchError
        When the header differs from ``expected``.
    """
    if not path.exists():
        return None
    try:
        header, tensors = _read(path)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"'{path}' is damaged or not a file of cotrain's ({error}). Delete it or choose another folder."
        ) from error
    for name, value in expected.items():
        if header.get(name) != value:
            raise MismatchError(
                f"'{path}' was written for another `{name}` ({header.get(name)!r}, not {value!r}). "
                "Delete it or choose another folder."
            )
    return header, tensors


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        metadata = file.metadata()
    if metadata is None or metadata["digest"] != _digest(metadata["header"], tensors):
        raise ValueError("its content does not match its checksum")
    return dict(json.loads(metadata["header"])), tensors


def _digest(text: str, tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        add_tensor(digest, name, tensors[name])
    return digest.hexdigest()


def add_tensor(digest: hashlib._Hash, name: str, tensor: Tensor) -> None:
    """Add a tensor's name, type, shape and values to a digest."""
    digest.update(f"{name}/{tensor.dtype}/{tuple(tensor.shape)}".encode())
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    digest.update(flat.view(torch.uint8).numpy().data)


def prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors with ``prefix`` before every name."""
    return {prefix + name: value for name, value in tensors.items()}


def unprefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors whose name starts with ``prefix``, without it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
