"""Run as a script: kills a collection into a store at 20 random moments, then lets three writers race.

One process loads torch, collects once and then forks the collecting processes, so that 20 kills take seconds.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

import torch
from torch import nn

from cotrain.gradients.bases import Basis
from cotrain.gradients.bases.dense import DenseRandom
from cotrain.gradients.collect import collect
from cotrain.gradients.collect_into import collect_into
from cotrain.gradients.manifest import StoreSpec
from cotrain.gradients.parameters import parameter_shapes
from cotrain.gradients.store import GradientStore
from cotrain.problem.problem import Problem
from cotrain.problem.rows import Rows
from cotrain.problem.task import Task

KILLS = 20
MICRO_BATCH = 4
NAMES = ("a", "b", "c")


def build() -> tuple[Problem, nn.Module, Basis]:
    """Return three tasks, two of which share their rows."""
    generator = torch.Generator().manual_seed(0)
    targets = torch.randint(0, 2, (60, 3), generator=generator).float()
    targets[::3, 2] = torch.nan
    rows = Rows(torch.randn(60, 5, generator=generator), targets)
    tasks = (Task("a"), Task("b"), Task("c", "regression"))
    problem = Problem(tasks, {"train": rows, "validation": rows, "test": rows}, lambda _: nn.Linear(5, 3))
    network = nn.Linear(5, 3)
    for parameter in network.parameters():
        nn.init.normal_(parameter, generator=generator)
    return problem, network, DenseRandom(parameter_shapes(network), dimension=7, seed=0)


def fork(path: Path, problem: Problem, network: nn.Module, basis: Basis) -> int:
    """Start a process that collects and return its id."""
    pid = os.fork()
    if pid == 0:
        store = GradientStore.open_or_create(path, StoreSpec.of(network, basis))
        collect_into(store, problem, network, NAMES, "train", basis, micro_batch=MICRO_BATCH)
        os._exit(0)
    return pid


def check(path: Path, expected: dict[str, torch.Tensor]) -> None:
    """Compare a finished store with what was collected in one go."""
    store = GradientStore.open(path)
    read = store.read("train")
    for name, features in expected.items():
        if not torch.equal(read[name].features, features) or len(set(read[name].sample.tolist())) != len(features):
            sys.exit(f"{path.name}: rows of {name} were lost, doubled or changed")


def kill_often(path: Path, parts: tuple[Problem, nn.Module, Basis]) -> int:
    """Kill collections at random moments until enough were hit; return the number of stores they worked on."""
    moments, kills, attempt, seconds = random.Random(0), 0, 0, 0.0
    while kills < KILLS:
        target = path / str(attempt)
        began = time.perf_counter()
        pid = fork(target, *parts)
        if seconds:
            time.sleep(moments.uniform(0, seconds / 4))
            os.kill(pid, signal.SIGKILL)
        killed = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
        kills += killed
        seconds = seconds or time.perf_counter() - began
        attempt += not killed
    os.waitpid(fork(path / str(attempt), *parts), 0)
    return attempt + 1


def main(path: Path) -> None:
    """Do it all; exit with a message when anything is wrong."""
    torch.set_num_threads(1)
    parts = build()
    problem, network, basis = parts
    whole = collect(problem, network, NAMES, "train", basis, micro_batch=MICRO_BATCH)
    stores = kill_often(path / "killed", parts)
    for pid in [fork(path / "raced", *parts) for _ in range(3)]:
        if os.waitpid(pid, 0)[1]:
            sys.exit("a concurrent writer failed")
    expected = {name: rows.features for name, rows in whole.items()}
    for folder in [*((path / "killed" / str(number)) for number in range(stores)), path / "raced"]:
        check(folder, expected)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
