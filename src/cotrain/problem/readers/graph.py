"""Problems whose rows are the nodes of a graph."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cotrain import checks
from cotrain.checks import Findings
from cotrain.errors import InputError
from cotrain.models.graph import GraphNetworkFactory
from cotrain.models.sampled_graph import SampledGraphFactory
from cotrain.problem.columns import Column, as_array, is_text
from cotrain.problem.encoding import Standardiser
from cotrain.problem.graphs.graph import Graph
from cotrain.problem.graphs.propagation import propagate
from cotrain.problem.graphs.sampling import sample_trees
from cotrain.problem.graphs.structure import structural_features
from cotrain.problem.options import NetworkOptions
from cotrain.problem.problem import Problem
from cotrain.problem.readers.arrays import column_names, dense_inputs, label_columns, matrix_encoder
from cotrain.problem.readers.assembly import Draft, read_targets, resolved
from cotrain.problem.readers.graph_data import GraphData, read_graph_data
from cotrain.problem.readers.options import ReaderOptions
from cotrain.problem.validation import infinite_inputs, unknown_names

logger = logging.getLogger(__name__)
GraphModel: TypeAlias = Literal["sign", "gcn", "sage"]
TaskMasks: TypeAlias = Mapping[str, Any] | Any
WIDTH, CONVOLUTIONS = 64, 2


@dataclass(frozen=True)
class GraphOptions:
    """What only graphs need decided; see :meth:`Problem.from_graph`."""

    model: GraphModel = "sign"
    hops: int = 2
    structural_dim: int = 64
    fanouts: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        checks.one_of("model", self.model, get_args(GraphModel))
        checks.at_least("hops", self.hops, 0)
        checks.at_least("structural_dim", self.structural_dim, 2)
        if self.fanouts is not None and (self.model != "sage" or not self.fanouts or min(self.fanouts) < 1):
            raise InputError(
                "`fanouts` must be one positive number for each hop, and model='sage'. "
                f"Found {tuple(self.fanouts)} and '{self.model}'."
            )


def read_graph(
    data: Any,
    options: ReaderOptions,
    own: GraphOptions,
    *,
    tasks: Any = None,
    task_masks: TaskMasks = None,
    targets: Sequence[str] | None = None,
) -> Problem:
    """Return the problem of a graph's nodes, with some ``targets`` only; see ``Problem.from_graph``."""
    read = read_graph_data(data)
    found = Findings()
    columns = _chosen(_labels(read, tasks, found), targets, found)
    _mask(columns, task_masks, found)
    found.refuse()
    _tell(read.graph)
    given = options.split if options.split is not None else read.split
    rows = np.arange(read.graph.nodes) if given is None else np.flatnonzero(as_array(given) != -1)
    name = options.name or (Path(data).name.split(".")[0] if isinstance(data, str | Path) else None)
    options = replace(options, split=None if given is None else as_array(given)[rows], name=name)
    drafted = read_targets({name: column[rows] for name, column in columns.items()}, options, found)
    features, names = _features(read, own, options.seed)
    recipe = _recipe(data, own, columns)
    if own.model == "sign":
        every = [f"{name} @{hop}" if hop else name for hop in range(own.hops + 1) for name in names]
        encode = matrix_encoder(propagate(read.graph, features, hops=own.hops)[rows], every, standardise=True)
        return Draft(len(rows), drafted, encode, options, recipe=recipe).assemble(found)
    everywhere = torch.from_numpy(Standardiser.fit(features).transform(features))
    inputs, build = _convolutions(read.graph, everywhere, rows, own, options)
    recipe["network"] = build.options.to_dict()
    return Draft(len(rows), drafted, lambda _: (inputs, None), options, build, recipe).assemble(found)


def _convolutions(
    graph: Graph, features: Tensor, rows: NDArray[np.int64], own: GraphOptions, options: ReaderOptions
) -> tuple[Tensor, GraphNetworkFactory | SampledGraphFactory]:
    """Return node numbers, or trees of them, and what builds the networks that are called with them."""
    if own.fanouts is None:
        network = resolved(options.network, NetworkOptions(hidden=(WIDTH,) * CONVOLUTIONS))
        return torch.from_numpy(rows), GraphNetworkFactory(graph, features, own.model, network)
    network = resolved(options.network, NetworkOptions(hidden=(WIDTH,) * len(own.fanouts)))
    if len(network.hidden) != len(own.fanouts):
        raise InputError(
            f"`fanouts` must be one number for each of the {len(network.hidden)} widths in `network`. "
            f"Found {own.fanouts}."
        )
    trees = sample_trees(graph, rows, fanouts=own.fanouts, seed=options.seed)
    return torch.from_numpy(trees), SampledGraphFactory(features, own.fanouts, network)


def _labels(read: GraphData, tasks: Any, found: Findings) -> dict[str, Column]:
    names = list(tasks) if tasks is not None else column_names(read.labels) or read.tasks
    return label_columns(read.labels, names, found)


def _chosen(columns: dict[str, Column], targets: Sequence[str] | None, found: Findings) -> dict[str, Column]:
    if targets is None:
        return columns
    found.extend(unknown_names("targets", targets, columns))
    return {name: columns[name] for name in targets if name in columns}


def _recipe(data: Any, own: GraphOptions, targets: Collection[str]) -> dict[str, Any]:
    """Return what a problem.toml says to read the same again; of data in memory, what it can say."""
    section = {name: value for name, value in asdict(own).items() if value is not None}
    if own.fanouts is not None:
        section["fanouts"] = list(own.fanouts)
    place = {"data": str(Path(data).resolve()), "targets": list(targets)} if isinstance(data, str | Path) else {}
    return {**place, "graph": section}


def _mask(columns: dict[str, Column], masks: TaskMasks, found: Findings) -> None:
    """Take away, in place, the labels of nodes outside their task's mask."""
    if masks is None:
        return
    by_name = dict(masks) if isinstance(masks, Mapping) else _by_column(as_array(masks), list(columns), found)
    found.extend(unknown_names("task_masks", by_name, columns))
    for name in [name for name in by_name if name in columns]:
        column, mask = columns[name], as_array(by_name[name])
        if mask.dtype != bool or mask.shape != column.shape:
            found.append(f"`task_masks` of '{name}' must be {len(column)} booleans. Found {mask.dtype} {mask.shape}.")
        else:
            columns[name] = column.astype(object if is_text(column) else np.float64)
            columns[name][~mask] = None if is_text(column) else np.nan


def _by_column(masks: NDArray[Any], names: list[str], found: Findings) -> dict[str, NDArray[Any]]:
    if masks.ndim != 2 or masks.shape[1] != len(names):
        found.append(f"`task_masks` must be (nodes, {len(names)}), one column per task. Found shape {masks.shape}.")
        return {}
    return dict(zip(names, masks.T, strict=True))


def _features(read: GraphData, own: GraphOptions, seed: int) -> tuple[NDArray[np.float32], list[str]]:
    """Return the nodes' own features, or those of the structure, with their names."""
    if read.features is None:
        made = structural_features(read.graph, dim=own.structural_dim, seed=seed)
        return made, [*(f"embedding{i}" for i in range(made.shape[1] - 1)), "degree"]
    matrix = dense_inputs("X", read.features)
    names = column_names(read.features) or [str(i) for i in range(matrix.shape[1])]
    problems = list(infinite_inputs(names, matrix))
    if problems:
        raise InputError(problems)
    return matrix.astype(np.float32), names


def _tell(graph: Graph) -> None:
    lonely = len(graph.isolated)
    if lonely:
        logger.warning("%d of %d nodes have no edge: they see their own features alone.", lonely, graph.nodes)
