"""Peak memory of a training step, of collecting gradients, and of making a basis, each in a process of its own.

What a process holds at its peak beyond what it held before, as the operating system counts it. Blocks of 64 KiB and
more are given back as soon as they are freed (``MALLOC_MMAP_THRESHOLD_``), so memory that was freed earlier cannot hide
what is measured; the work runs once before, so neither can libraries that load on first use inflate it.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from gradient_networks import CASES, Case, problem_of, training_loss
from torch import nn

from cotrain.gradients import collect, make_basis
from cotrain.problem import Problem, Rows

BASES = ("khatri-rao", "auto")


def training_step(network: nn.Module, rows: Rows) -> None:
    optimiser = torch.optim.Adam(parameter for parameter in network.parameters() if parameter.requires_grad)
    training_loss(network, rows).backward()
    optimiser.step()
    network.zero_grad()


def works(case: Case, network: nn.Module, problem: Problem, rows: Rows) -> dict[str, Callable[[], Any]]:
    """Return what is measured, by name; bases that are collected in are made on the way here."""
    timed = replace(problem, splits={**problem.splits, "train": rows})
    make = partial(make_basis, problem=problem, network=network, subset=problem.names, dim=case.dimension)
    found: dict[str, Callable[[], Any]] = {"training": partial(training_step, network, rows)}
    for kind in BASES:
        found[kind] = partial(collect, timed, network, problem.names, "train", make(kind))
        found[f"making {kind}"] = partial(make, kind)
    return found


def peaks(name: str) -> dict[str, float]:
    """Return MiB by name, measured in a fresh process."""
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536"}
    command = [sys.executable, __file__, name]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    found: dict[str, float] = json.loads(printed)
    return found


def peak(work: Callable[[], Any]) -> float:
    work()
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
    before = resident_mib("VmRSS")
    kept = work()
    found = resident_mib("VmHWM") - before
    del kept
    return found


def resident_mib(field: str) -> float:
    """Return the resident memory of this process, now (``VmRSS``) or at its peak (``VmHWM``)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(field)) / 1024


if __name__ == "__main__":
    torch.set_num_threads(1)
    chosen = CASES[sys.argv[1]]
    problem, network, rows = problem_of(chosen)
    print(json.dumps({name: peak(work) for name, work in works(chosen, network, problem, rows).items()}))
