"""The last step of every reader: from columns of labels and a way to encode inputs to a problem."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from cotrain.checks import Findings
from cotrain.models.mlp import SharedMLPFactory
from cotrain.problem.columns import Column
from cotrain.problem.defaults import default_network, default_training
from cotrain.problem.encoding import Encoder
from cotrain.problem.options import NetworkOptions, TrainingOptions
from cotrain.problem.problem import SPLITS, NetworkFactory, Problem
from cotrain.problem.readers.dry_run import dry_run
from cotrain.problem.readers.options import ReaderOptions
from cotrain.problem.rows import Inputs, Rows, select
from cotrain.problem.splitting import check_fractions, given_split, seeded_split
from cotrain.problem.targets import Target, read_target
from cotrain.problem.task import Task
from cotrain.problem.validation import unknown_names, usable_targets

Option = TypeVar("Option", NetworkOptions, TrainingOptions)
Encode = Callable[[NDArray[np.bool_]], tuple[Inputs, Encoder | None]]
"""Encodes all rows with what it learns from those that the mask marks as training rows."""


@dataclass(frozen=True, eq=False)
class Draft:
    """What a reader has read.

    Parameters
    ----------
    rows
        Their number.
    targets
        Tasks and their values.
    encode
        Makes the inputs.
    options
        What the user decided; ``split`` holds codes here, or None.
    build
        The network; the default one when None.
    recipe
        How to read the same again, beside the options, as plain values.
    """

    rows: int
    targets: Sequence[Target]
    encode: Encode
    options: ReaderOptions
    build: NetworkFactory | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)

    def assemble(self, found: Findings) -> Problem:
        """Return the problem, or refuse with everything found wrong, here and before."""
        targets = list(self.targets)
        split = np.zeros(self.rows, dtype=np.int8)
        inputs: tuple[Inputs, Encoder | None] = torch.zeros(0), None
        with found.gather():
            split = self._split()
            targets = usable_targets(targets, split, self.options.unusable)
        with found.gather():
            inputs = self.encode(split == 0)
        found.refuse()
        problem = self._problem([target.standardised(split == 0) for target in targets], split, *inputs)
        if self.build is not None:
            dry_run(problem)
        return problem

    def _split(self) -> NDArray[np.int8]:
        if self.options.split is not None:
            return given_split(self.options.split)
        check_fractions(self.options.fractions)
        if not self.targets:
            return np.zeros(self.rows, dtype=np.int8)
        return seeded_split(self.targets, self.options.fractions, self.options.seed)

    def _problem(
        self, targets: list[Target], split: NDArray[np.int8], inputs: Inputs, encoder: Encoder | None
    ) -> Problem:
        values = torch.from_numpy(np.stack([target.values.astype(np.float32) for target in targets])).T.contiguous()
        codes = torch.from_numpy(split)
        rows = {name: Rows(select(inputs, codes == code), values[codes == code]) for code, name in enumerate(SPLITS)}
        training = resolved(self.options.training, default_training(len(rows["train"])))
        build, network = self.build, None
        if build is None:
            features = inputs.shape[1] if isinstance(inputs, torch.Tensor) else 0
            network = resolved(self.options.network, default_network(features, len(rows["train"]), len(targets)))
            build = SharedMLPFactory(features, network)
        tasks = tuple(target.task for target in targets)
        recipe = self._recipe(tasks, network, training)
        return Problem(tasks, rows, build, training, recipe["name"], encoder, recipe)

    def _recipe(
        self, tasks: tuple[Task, ...], network: NetworkOptions | None, training: TrainingOptions
    ) -> dict[str, Any]:
        """Resolve every option to the plain value that reads the same problem again."""
        options = self.options
        recipe: dict[str, Any] = {"name": options.name or "problem", "kinds": {task.name: task.kind for task in tasks}}
        recipe |= {"metrics": {task.name: task.metric for task in tasks}, "weights": dict(options.weights)}
        recipe |= {"helpers": sorted(options.helpers), "unusable": options.unusable}
        if options.split is None:
            recipe |= {"fractions": list(options.fractions), "seed": options.seed}
        if network is not None:
            recipe["network"] = network.to_dict()
        return {**recipe, "training": training.to_dict(), **self.recipe}


def read_targets(
    columns: Mapping[str, Column], options: ReaderOptions, found: Findings, classes: Mapping[str, int] | None = None
) -> list[Target]:
    """Return the tasks that columns make under a user's options, noting those that make none.

    Parameters
    ----------
    columns
        Labels by target.
    options
        What the user decided.
    found
        Where faults are noted.
    classes
        Number of classes of targets whose data declares it.
    """
    declared: dict[str, Collection[str]] = {"metrics": options.metrics, "weights": options.weights}
    declared |= {"helpers": options.helpers, "kinds": options.kinds if isinstance(options.kinds, Mapping) else ()}
    for parameter, mentioned in declared.items():
        found.extend(unknown_names(parameter, mentioned, columns))
    targets = []
    for name, column in columns.items():
        with found.gather():
            target = read_target(name, column, options.kind_of(name), (classes or {}).get(name))
            targets.append(Target(decided(target.task, options), target.values))
    return targets


def decided(task: Task, options: ReaderOptions) -> Task:
    """Return the task with what the user decided about it."""
    metric, weight = options.metrics.get(task.name, ""), options.weights.get(task.name, 1.0)
    return replace(task, metric=metric, weight=weight, helper=task.name in options.helpers)


def resolved(given: Option | Mapping[str, Any] | None, default: Option) -> Option:
    """Return what was given; a mapping changes fields of the default."""
    if given is None or isinstance(given, Mapping):
        return replace(default, **(given or {}))
    return given
