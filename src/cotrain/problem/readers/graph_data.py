"""What users have as a graph: PyTorch Geometric data, a mapping of arrays, an NPZ file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cotrain.errors import InputError
from cotrain.problem.columns import as_array
from cotrain.problem.graphs.graph import Graph
from cotrain.problem.readers.npz import label_matrix, load_arrays
from cotrain.problem.validation import existing_file

_FORMS = (
    "`data` must be a PyTorch Geometric graph, a mapping, or an NPZ or .pt file of one, with `edge_index` (2, edges) "
    "or `edges` (edges, 2), labels `y` or `Y` (nodes, tasks), and where known `x` or `X`, `edge_weight`, `split`, "
    "`tasks`."
)
_MASKS = ("train_mask", "val_mask", "test_mask")


@dataclass(frozen=True, eq=False)
class GraphData:
    """A graph as it was read.

    Parameters
    ----------
    graph
        Nodes and edges.
    labels
        ``(nodes, tasks)`` as the user has them.
    features
        ``(nodes, features)``; None where there are none.
    split
        Codes or words by node, -1 for nodes in no split; None where the data has none.
    tasks
        Names; None where the data has none.
    """

    graph: Graph
    labels: Any
    features: Any
    split: NDArray[Any] | None
    tasks: list[str] | None


def read_graph_data(data: Any) -> GraphData:
    """Return what a user's graph holds.

    Raises
    ------
    InputError
        When edges or labels are absent, or do not fit each other.
    """
    parts = _parts(data)
    edges, labels = _either(parts, "edges", "edge_index"), _either(parts, "Y", "y")
    if edges is None or labels is None:
        raise InputError(f"{_FORMS} Found {sorted(parts)}.")
    pairs = as_array(edges).T if "edge_index" in parts else as_array(edges)
    nodes = _node_count(parts, labels)
    graph = Graph.of(pairs, nodes=nodes, weights=parts.get("edge_weight"))
    features = _either(parts, "X", "x")
    if features is not None and features.shape[0] != nodes:
        raise InputError(f"`X` must have one row for each of {nodes} nodes. Found {features.shape[0]}.")
    names = parts.get("tasks")
    return GraphData(graph, labels, features, _split(parts), None if names is None else [str(name) for name in names])


def _parts(data: Any) -> dict[str, Any]:
    if isinstance(data, str | Path):
        return _from_file(existing_file("data", data))
    parts = data if isinstance(data, Mapping) else data.to_dict() if hasattr(data, "edge_index") else None
    if parts is None:
        raise InputError(f"{_FORMS} Found {type(data).__name__}.")
    return {str(name): value for name, value in parts.items() if value is not None}


def _from_file(path: Path) -> dict[str, Any]:
    if path.suffix == ".pt":
        return _parts(_from_torch(path))
    arrays = load_arrays(path)
    return {**arrays, "Y": label_matrix(arrays)} if "Y" in arrays else arrays


def _from_torch(path: Path) -> Any:
    """Load tensors by name, or PyTorch Geometric's ``Data``; no other class is let in."""
    try:
        with torch.serialization.safe_globals(_geometric_classes()):
            return torch.load(path, map_location="cpu", weights_only=True)
    except (UnpicklingError, RuntimeError, EOFError, OSError) as error:
        raise InputError(
            f"`data` must hold tensors by name or a PyTorch Geometric graph; nothing else is unpickled. "
            f"'{path}': {str(error).splitlines()[0]} Save `graph.to_dict()` by torch.save, or arrays by numpy.savez."
        ) from None


def _geometric_classes() -> list[Any]:
    if find_spec("torch_geometric") is None:
        return []
    from torch_geometric.data.data import Data, DataEdgeAttr, DataTensorAttr
    from torch_geometric.data.storage import GlobalStorage

    return [Data, DataEdgeAttr, DataTensorAttr, GlobalStorage]


def _either(parts: Mapping[str, Any], *names: str) -> Any:
    return next((parts[name] for name in names if name in parts), None)


def _node_count(parts: Mapping[str, Any], labels: Any) -> int:
    rows = int(labels.shape[0] if hasattr(labels, "shape") else len(labels))
    given = _either(parts, "n_nodes", "num_nodes")
    if given is not None and int(given) != rows:
        raise InputError(f"`Y` must have one row for each of {int(given)} nodes. Found {rows}; use NaN where missing.")
    return rows


def _split(parts: Mapping[str, Any]) -> NDArray[Any] | None:
    if "split" in parts:
        return as_array(parts["split"])
    if not all(name in parts for name in _MASKS):
        return None
    masks = [as_array(parts[name]).astype(bool) for name in _MASKS]
    if any(mask.ndim != 1 for mask in masks):
        raise InputError(
            "`train_mask`, `val_mask` and `test_mask` must each be (nodes,). Found several splits: choose one column."
        )
    if (np.sum(masks, axis=0) > 1).any():
        raise InputError("`train_mask`, `val_mask` and `test_mask` must not overlap. Found a node in two of them.")
    return np.select(masks, [0, 1, 2], default=-1).astype(np.int8)
