"""Bases made from the gradients of some training rows, the landmarks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor, nn

from cotrain.gradients.bases import Basis, Directions, Fidelity, Kronecker, Principal
from cotrain.gradients.bases.parts import RankOne
from cotrain.gradients.captured import Capture, SideMoments
from cotrain.gradients.engine import Engine
from cotrain.gradients.fit_directions import fit_directions
from cotrain.gradients.margins import linear_loss
from cotrain.gradients.parameters import Shapes
from cotrain.gradients.pulls import pull_directions, task_pulls
from cotrain.gradients.row_gradient import matrix_shape
from cotrain.gradients.task_gradients import TaskGradients
from cotrain.problem.problem import Problem
from cotrain.problem.rows import Rows
from cotrain.problem.task import Subset
from cotrain.seeding import generator

_FEWEST_LANDMARKS = 320
_LANDMARKS_PER_TASK = 48
_ENOUGH_LANDMARKS = 640
_HELD_OUT = 64
_FULL_NUMBERS = 64 * 2**20
_PULL_NUMBERS = 4 * 2**20
_CORE = 256
"""Coordinates of a kronecker basis for every parameter."""
_LARGEST_RANK = 4
_LARGEST_SIDE = 4096
_TERMS = 1.5
"""Directions of rank one for every coordinate (measured in benchmarks/gradients.py)."""
_ENOUGH_ENERGY = 0.9
_WORTH_ITS_COST = 0.05


class Landmarks(NamedTuple):
    """Rows by task column: those a basis is made of, and others to measure it by."""

    used: Mapping[int, Tensor]
    held_out: Mapping[int, Tensor]


def draw_landmarks(rows: Rows, subset: Subset, *, count: int, held_out: int, seed: int) -> Landmarks:
    """Draw about ``count`` pairs of a row and a task, as many of every task, and ``held_out`` more to measure by.

    What is drawn of a task depends on the seed, its name and its rows alone.
    """
    order = torch.randperm(len(subset), generator=generator(seed, "tasks"))[:count].tolist()
    used, spared = {}, {}
    for column in sorted(order):
        observed = rows.observed[:, column].nonzero()[:, 0]
        drawn = observed[torch.randperm(len(observed), generator=generator(seed, "landmarks", subset[column]))]
        spare = min(math.ceil(held_out / len(order)), len(drawn) // 4)
        used[column] = drawn[spare:][: math.ceil(count / len(order))]
        spared[column] = drawn[:spare]
    return Landmarks(used, spared)


class DataBases:
    """Makes bases for one network from landmarks.

    Parameters
    ----------
    problem, network, subset
        As in :func:`~cotrain.gradients.collect`.
    shapes
        The parameters.
    dimension
        Number of coordinates, fewer where the landmarks span less; none for all that they span.
    seed
        Of the draw.
    """

    def __init__(
        self, problem: Problem, network: nn.Module, subset: Subset, shapes: Shapes, *, dimension: int | None, seed: int
    ) -> None:
        self._network, self._tasks, self._shapes, self._dimension = network, problem.tasks_of(subset), shapes, dimension
        self._seed = seed
        self._rows = problem.gradient_rows("train").columns([problem.names.index(name) for name in subset])
        count = len(self._rows) * len(subset) if dimension is None else _landmarks(len(subset), dimension)
        held_out = min(_HELD_OUT, max(_FULL_NUMBERS // _entries(shapes), 8)) if dimension else 0
        self._draw = draw_landmarks(self._rows, subset, count=count, held_out=held_out, seed=seed)
        self._plan = Engine(network, self._tasks, Capture(shapes, full=True), self._rows).plan
        measurable = any(map(len, self._draw.held_out.values()))
        self._exact = self._capture(self._draw.held_out, full=True) if measurable else None

    def best(self) -> Principal:
        """Return landmarks where they are exact and cheap, else Kronecker unless landmarks hold more energy."""
        known = self._exact
        one_position = known is None or all(isinstance(part, RankOne) for part in known.parts.values())
        if one_position or self._full_fits() or max(map(max, map(matrix_shape, self._shapes.values()))) > _LARGEST_SIDE:
            return self.landmarks()
        kronecker = self.kronecker()
        if kronecker.energy >= _ENOUGH_ENERGY:
            return kronecker
        landmarks = self.landmarks()
        return landmarks if landmarks.energy > kronecker.energy + _WORTH_ITS_COST else kronecker

    def landmarks(self) -> Principal:
        """Return the directions that serve fits best within the gradients of landmarks and the tasks' pulls."""
        captured = self._capture(self._draw.used, full=self._full_fits())
        if self._dimension is None:
            return Principal.spanning(captured)
        rank = min(max(self._dimension // len(self._tasks), 1), _LARGEST_RANK)
        for pulls in self._pulls():
            captured = captured.beside(pull_directions(pulls, self._shapes, rank=rank))
        whole = Principal.spanning(captured)
        directions = self._directions(whole)
        return self._measured(whole.restricted(directions).of_fewer_terms(math.ceil(_TERMS * directions.shape[1])))

    def kronecker(self) -> Principal:
        """Return the directions that serve fits best within the leading directions of both sides of every weight."""
        moments = SideMoments(self._shapes)
        self._run(moments, self._draw.used)
        inner = moments.kronecker(_CORE)
        directions = self._directions(inner)
        return self._measured(Principal(inner, directions.to(next(iter(inner.tensors.values())))))

    def _pulls(self) -> Iterator[dict[str, Tensor]]:
        """Yield the pulls of as many tasks as fit into memory at once."""
        tasks, at_once = range(len(self._tasks)), max(_PULL_NUMBERS // _entries(self._shapes), 1)
        if at_once >= len(tasks):
            yield self._every_pull
            return
        for start in tasks[::at_once]:
            yield self._pulls_of(tasks[start : start + at_once])

    @cached_property
    def _every_pull(self) -> dict[str, Tensor]:
        return self._pulls_of(range(len(self._tasks)))

    def _pulls_of(self, wanted: Sequence[int]) -> dict[str, Tensor]:
        return task_pulls(self._network, self._tasks, self._rows, self._shapes, wanted=wanted)

    def _capture(self, samples: Mapping[int, Tensor], *, full: bool) -> Directions:
        capture = Capture(self._shapes, full=full)
        self._run(capture, samples)
        return capture.directions()

    def _full_fits(self) -> bool:
        return _entries(self._shapes) * sum(map(len, self._draw.used.values())) <= _FULL_NUMBERS

    def _directions(self, whole: Principal | Kronecker) -> Tensor:
        """Return the directions that serve fits best within an orthonormal basis, in its coordinates."""
        rows = self._run(whole, self._draw.used)
        pulls = torch.cat([whole.apply(pulls) for pulls in self._pulls()])[list(rows)]
        return fit_directions(list(rows.values()), pulls, dimension=self._dimension or 1, seed=self._seed)

    def _measured(self, basis: Principal) -> Principal:
        if self._exact is not None:
            held_out = torch.cat([task.features for task in self._run(basis, self._draw.held_out).values()])
            basis.fidelity = Fidelity.of(held_out, self._exact)
        return basis

    def _run(self, basis: Basis, samples: Mapping[int, Tensor]) -> dict[int, TaskGradients]:
        """Return the linearised rows of those tasks that have some."""
        engine = Engine(self._network, self._tasks, basis, self._rows, plan=self._plan)
        return {column: self._task_rows(engine, column, sample) for column, sample in samples.items() if len(sample)}

    def _task_rows(self, engine: Engine, column: int, sample: Tensor) -> TaskGradients:
        blocks = [
            engine.run(self._rows.take(index).to(engine.device), [column])[0]
            for index in torch.split(sample, engine.micro_batch)
        ]
        features, offset = (torch.cat(parts) for parts in zip(*blocks, strict=True))
        return TaskGradients(features, offset, sample, linear_loss(self._tasks[column]))


def _landmarks(tasks: int, dimension: int) -> int:
    """Return how many rows show the curvature of every task well enough (measured in benchmarks/gradients.py)."""
    return max(_FEWEST_LANDMARKS, min(_LANDMARKS_PER_TASK * tasks, _ENOUGH_LANDMARKS), 2 * dimension)


def _entries(shapes: Shapes) -> int:
    return sum(math.prod(shape) for shape in shapes.values())
