"""Penalties on linear heads: their limits, what they recover, what they refuse."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import block_diag
from tests.training.interrupted import interrupted
from tests.training.problems import QUICK, identical, problem_for
from torch import Tensor, nn

from cotrain.errors import InputError
from cotrain.models.mlp import SharedMLP
from cotrain.problem.options import NetworkOptions, TrainingOptions
from cotrain.problem.problem import SPLITS, Problem, Split
from cotrain.problem.rows import Rows
from cotrain.problem.task import Task
from cotrain.training.soft_sharing.heads import HeadPenalty, heads_of
from cotrain.training.soft_sharing.prior import PriorInformation, drawn, laplacian, spectrum
from cotrain.training.soft_sharing.task_feature import TaskFeatureCollaborative, connected, distances, lengths
from cotrain.training.trainer import Trainer

TASKS = (Task("a", "regression"), Task("b"), Task("c", "multiclass", classes=3), Task("d", "regression"))
SUBSET = ("a", "b", "c", "d")
RELATIONS = (("a", "b", 1.0), ("a", "d", 2.0))


def trainer(*, hidden: tuple[int, ...] = (8,), training: TrainingOptions = QUICK) -> Trainer:
    return Trainer(problem_for(TASKS, missing=0.0, hidden=hidden, training=training))


def head_weights(network: nn.Module, tasks: tuple[Task, ...] = TASKS) -> list[Tensor]:
    inputs = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    return heads_of(network, tasks, inputs, needed_by="a test").weights()


@pytest.mark.parametrize("hidden", [(), (8,)])
@pytest.mark.parametrize(
    "method",
    [
        PriorInformation(tasks=RELATIONS, features=((0, 1, 1.0),), strength=0.0),
        PriorInformation(strength=math.inf),
        TaskFeatureCollaborative(strength=0.0),
        TaskFeatureCollaborative(groups=1, strength=100.0, warmup=0),
    ],
)
def test_without_strength_or_anything_to_relate_it_is_ordinary_training(
    method: HeadPenalty, hidden: tuple[int, ...]
) -> None:
    own = trainer(hidden=hidden)
    fit, plain = method.fit(own, SUBSET, seed=1), own.fit(SUBSET, seed=1)
    for one, other in zip(fit.network.parameters(), plain.network.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("hidden", [(), (8,)])
def test_infinite_strength_shares_the_heads_of_related_tasks(hidden: tuple[int, ...]) -> None:
    a, b, c, d = head_weights(
        PriorInformation(RELATIONS, strength=math.inf).fit(trainer(hidden=hidden), SUBSET).network
    )
    assert torch.allclose(a, b, atol=1e-6)
    assert torch.allclose(a, d, atol=1e-6)
    assert not torch.allclose(a, c[:1], atol=0.01)


def test_infinitely_related_features_count_alike() -> None:
    method = PriorInformation(features=((0, 3, 1.0),), strength=math.inf)
    for own in head_weights(method.fit(trainer(hidden=()), SUBSET).network):
        assert torch.allclose(own[:, 0], own[:, 3], atol=1e-6)
        assert not torch.allclose(own[:, 0], own[:, 1], atol=0.01)


def test_more_strength_brings_heads_nearer() -> None:
    apart = []
    for strength in (0.0, 1.0, 30.0, math.inf):
        a, _, _, d = head_weights(PriorInformation(RELATIONS, strength=strength).fit(trainer(), SUBSET).network)
        apart.append(float((a - d).norm()))
    assert apart == sorted(apart, reverse=True)
    assert apart[-1] == pytest.approx(0.0, abs=1e-5)


@given(size=st.integers(2, 5), force=st.floats(0.0, 100.0), seed=st.integers(0, 100))
@settings(max_examples=30, deadline=None)
def test_the_map_minimises_the_penalised_distance(size: int, force: float, seed: int) -> None:
    stream = torch.Generator().manual_seed(seed)
    pairs = [(i, j, float(torch.rand((), generator=stream)) + 0.1) for i in range(size) for j in range(i)]
    rows, graph = torch.randn(size, 3, generator=stream, dtype=torch.float64), laplacian(size, pairs)
    found = drawn(rows, spectrum(graph), force)
    # The minimum of |x - rows|^2 / 2 + force <x, L x> / 2 is where its gradient is zero.
    assert torch.allclose(found - rows + force * graph @ found, torch.zeros_like(rows), atol=1e-8)


def test_sparsity_leaves_out_features() -> None:
    kept = [
        int((lengths(head_weights(PriorInformation(sparsity=each).fit(trainer(hidden=()), SUBSET).network)) > 0).sum())
        for each in (0.0, 0.3, 1e6)
    ]
    assert kept[0] == 4 * 5
    assert kept == sorted(kept, reverse=True)
    assert kept[-1] == 0


BLOCKS = (("a1", "a2", "a3"), ("b1", "b2", "b3"))


def blockwise(seed: int = 0) -> Problem:
    """Two groups of tasks, each linear in three features of its own; the last two features are of no use."""
    stream = torch.Generator().manual_seed(seed)
    truth = torch.zeros(6, 8)
    truth[:3, :3], truth[3:, 3:6] = torch.randn(3, 3, generator=stream), torch.randn(3, 3, generator=stream)
    truth[truth != 0] += 0.5 * truth[truth != 0].sign()
    splits: dict[Split, Rows] = {}
    for split in SPLITS:
        inputs = torch.randn(80, 8, generator=stream)
        splits[split] = Rows(inputs, inputs @ truth.T + 0.5 * torch.randn(80, 6, generator=stream))
    tasks = tuple(Task(name, "regression") for block in BLOCKS for name in block)
    training = TrainingOptions(learning_rate=0.02, batch_size=20, epochs=40, patience=40)
    return Problem(tasks, splits, lambda chosen: SharedMLP(8, chosen, NetworkOptions(hidden=())), training)


@pytest.mark.parametrize("strength", [1.0, 100.0])
def test_planted_blocks_are_found_and_help(strength: float) -> None:
    own, method = Trainer(blockwise()), TaskFeatureCollaborative(groups=2, strength=strength)
    names = own.problem.names
    fit, plain = method.fit(own, names), own.fit(tuple(sorted(names)))
    assert method.groups_of(own, fit) == BLOCKS
    assert TaskFeatureCollaborative().groups_of(own, plain) == (tuple(sorted(names)),)
    found = lengths(head_weights_of(fit.network, own.problem))
    assert bool((found[:3, :3] > 0).all())
    assert bool((found[3:, 3:6] > 0).all())
    assert float(found[:3, 3:6].max()) == float(found[3:, :3].max()) == 0.0
    assert own.evaluate(fit, "test").loss.mean() < own.evaluate(plain, "test").loss.mean()


def head_weights_of(network: nn.Module, problem: Problem) -> list[Tensor]:
    return heads_of(network, problem.tasks, problem.splits["train"].inputs, needed_by="a test").weights()


@given(tasks=st.integers(2, 5), features=st.integers(2, 6), seed=st.integers(0, 100))
@settings(max_examples=30, deadline=None)
def test_blocks_of_their_own_pay_nothing(tasks: int, features: int, seed: int) -> None:
    stream = np.random.default_rng(seed)
    one, other = (stream.uniform(0.5, 2.0, (tasks, features)) for _ in range(2))
    blocks = torch.from_numpy(block_diag(one, other))
    pay = distances(blocks, groups=2)
    inside = blocks > 0
    assert float(pay[inside].max()) == pytest.approx(0.0, abs=1e-9)
    assert float(pay[~inside].min()) > 0.0
    assert float(pay.max()) == pytest.approx(1.0)
    assert connected(blocks) == [0] * tasks + [1] * tasks


@pytest.mark.parametrize(
    "method",
    [PriorInformation(RELATIONS, strength=3.0, sparsity=0.01), TaskFeatureCollaborative(strength=0.5, warmup=1)],
)
def test_a_resumed_training_ends_bit_identical(
    method: HeadPenalty, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = trainer(training=replace(QUICK, epochs=5, patience=5)).problem
    with interrupted(monkeypatch, writings=3):
        method.fit(Trainer(problem, folder=tmp_path, checkpoint_seconds=0), SUBSET)
    assert identical(method.fit(Trainer(problem, folder=tmp_path), SUBSET), method.fit(Trainer(problem), SUBSET))


@pytest.mark.parametrize("method", [PriorInformation(RELATIONS), TaskFeatureCollaborative(groups=3, warmup=1)])
def test_the_order_of_the_problems_tasks_does_not_matter(method: HeadPenalty) -> None:
    own = trainer()
    other = Trainer(own.problem.with_tasks(["c", "d", "a", "b"]))
    assert identical(method.fit(own, SUBSET), method.fit(other, SUBSET))


@pytest.mark.parametrize("method", [PriorInformation(RELATIONS), TaskFeatureCollaborative()])
def test_a_single_task_trains_as_ever(method: HeadPenalty) -> None:
    assert identical(method.fit(trainer(), ("a",)), trainer().fit(("a",)))


class SeparateHeads(nn.Module):
    """A matrix for every task, as modules of their own."""

    def __init__(self, tasks: tuple[Task, ...]) -> None:
        super().__init__()
        self.trunk = nn.Linear(5, 4)
        self.heads = nn.ModuleDict({task.name: nn.Linear(4, task.width) for task in reversed(tasks)})

    def forward(self, inputs: Tensor) -> dict[str, Tensor]:
        hidden = torch.tanh(self.trunk(inputs))
        return {name: head(hidden) for name, head in self.heads.items()}


def test_heads_are_found_wherever_they_are() -> None:
    network = SeparateHeads(TASKS)
    for task, own in zip(TASKS, head_weights(network), strict=True):
        assert torch.equal(own, network.heads[task.name].weight)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: PriorInformation(strength=-1.0), "`strength`"),
        (lambda: PriorInformation(sparsity=-1.0), "`sparsity`"),
        (lambda: PriorInformation((("a", "b", -1.0),)), "`tasks` must relate different ones"),
        (lambda: PriorInformation((("a", "a", 1.0),)), "`tasks` must relate different ones"),
        (lambda: PriorInformation((("a", "c", 1.0),)).fit(trainer(), SUBSET), "as many outputs"),
        (lambda: PriorInformation(features=((0, 8, 1.0),)).fit(trainer(), SUBSET), "numbers below 8"),
        (lambda: TaskFeatureCollaborative(groups=0), "`groups`"),
        (lambda: TaskFeatureCollaborative(strength=-1.0), "`strength`"),
        (lambda: TaskFeatureCollaborative().fit(trainer(), ()), "`subset` must hold at least one task"),
    ],
)
def test_what_makes_no_sense_is_refused(build: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        build()


class Deeper(nn.Module):
    """Heads of two layers."""

    def __init__(self, tasks: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList(nn.Sequential(nn.Linear(5, 3), nn.ReLU(), nn.Linear(3, 1)) for _ in range(tasks))

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.cat([head(inputs) for head in self.heads], dim=1)


def test_heads_that_are_not_linear_are_refused() -> None:
    problem = replace(trainer().problem, build=lambda tasks: Deeper(len(tasks)))
    with pytest.raises(InputError, match="PriorInformation needs linear heads on one representation"):
        PriorInformation().fit(Trainer(problem), ("a", "b"))
