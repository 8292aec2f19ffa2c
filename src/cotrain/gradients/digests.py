"""Digests of networks and data rows: what tells whether stored gradients still belong to those in use."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cotrain.problem.rows import Rows


@dataclass(frozen=True, eq=False)
class Origin:
    """What a task's rows were computed from.

    Parameters
    ----------
    network
        Digest of the whole network, heads and buffers included.
    digests
        ``(rows,)``, int64: digest of each row's position, inputs and own label.
    """

    network: str
    digests: Tensor

    def take(self, rows: range) -> Origin:
        """Return the origin of the rows ``rows.start`` to ``rows.stop``."""
        return Origin(self.network, self.digests[rows.start : rows.stop])


def tensor_digest(tensors: Iterable[tuple[str, Tensor]]) -> str:
    """Return one digest of named tensors: names, types, shapes and values.

    Examples
    --------
    >>> one, two = torch.zeros(2), torch.zeros(2, dtype=torch.float64)
    >>> tensor_digest([("a", one)]) == tensor_digest([("a", two)])
    False
    """
    digest = hashlib.sha256()
    for name, tensor in tensors:
        digest.update(f"{name}/{tensor.dtype}/{tuple(tensor.shape)}".encode())
        digest.update(raw_bytes(tensor))
    return digest.hexdigest()[:32]


def network_digest(network: nn.Module) -> str:
    """Return the digest of all parameters and buffers."""
    state = network.state_dict()
    return tensor_digest((name, value) for name, value in state.items() if isinstance(value, Tensor))


def row_digests(rows: Rows) -> Tensor:
    """Return ``(rows, tasks)``, int64: a digest of each row's position, inputs and the label of one task.

    Digests do not depend on the other tasks of the rows or on rows that come after.

    Examples
    --------
    >>> rows = Rows(torch.zeros(2, 3), torch.tensor([[0.0, 1.0], [0.0, 0.0]]))
    >>> more = Rows(torch.zeros(3, 3), torch.tensor([[0.0], [0.0], [1.0]]))
    >>> torch.equal(row_digests(rows)[:, 0], row_digests(more)[:2, 0])
    True
    """
    parts = {"": rows.inputs} if isinstance(rows.inputs, Tensor) else rows.inputs
    tables = [_byte_rows(part) for _, part in sorted(parts.items())]
    inputs = np.array([_row_hash(tables, position) for position in range(len(rows))], dtype=np.uint64)
    labels = rows.targets.detach().cpu().double().contiguous().numpy().view(np.uint64)
    mixed = _scrambled(labels ^ inputs.reshape(-1, 1))
    return torch.from_numpy(mixed.view(np.int64))


def raw_bytes(tensor: Tensor) -> memoryview:
    """Return the values of a tensor of any type as bytes."""
    return _flat_bytes(tensor).data


def _flat_bytes(tensor: Tensor) -> NDArray[np.uint8]:
    flat = tensor.detach().cpu().contiguous().as_strided((tensor.numel(),), (1,))
    content: NDArray[np.uint8] = flat.view(torch.uint8).numpy()
    return content


def _byte_rows(part: Tensor) -> NDArray[np.uint8]:
    return _flat_bytes(part).reshape(len(part), math.prod(part.shape[1:]) * part.element_size())


def _row_hash(tables: list[NDArray[np.uint8]], position: int) -> int:
    digest = hashlib.blake2b(str(position).encode(), digest_size=8)
    for table in tables:
        digest.update(table[position].data)
    return int.from_bytes(digest.digest(), "big")


def _scrambled(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread every bit over all others (the finaliser of splitmix64)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
