"""The example of pixel-wise tasks runs, with as little training as there can be."""

from pathlib import Path
from runpy import run_path
from typing import Any

import pytest
import torch
from torch import nn

from cotrain.gradients.doctor import examine
from cotrain.problem import Problem, Task

SCRIPT = Path(__file__).parents[2] / "examples" / "vision" / "pixels.py"
QUICK = ["--rows", "60", "--epochs", "1", "--seeds", "1", "--random-draws", "1", "--bases", "1"]


def test_it_ends_in_a_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    run_path(str(SCRIPT))["main"](QUICK)
    shown = capsys.readouterr().out
    assert "Problem('pixels': 6 tasks; rows: 36 train" in shown
    assert all(arm in shown for arm in ("chosen", "all-in-one", "one-per-task", "random"))


@pytest.fixture(scope="module")
def example() -> dict[str, Any]:
    return run_path(str(SCRIPT))


def test_masked_pixels_count_for_nothing(example: dict[str, Any]) -> None:
    inputs, _ = example["scenes"](20)
    network: nn.Module = example["DenseNetwork"]([Task("digit", "sequence")])
    elsewhere = {**inputs, "digit": torch.where(inputs["digit mask"] > 0, inputs["digit"], 7.0)}
    torch.testing.assert_close(network(elsewhere), network(inputs))


def test_every_parameter_is_on_the_fast_path(example: dict[str, Any]) -> None:
    tasks = [Task(name, "sequence") for name in example["LOSSES"]]
    problem = Problem.from_module(example["DenseNetwork"], tasks, example["scenes"](30))
    assert set(examine(problem).paths.values()) == {"structured"}
    assert int(problem.splits["train"].observed.sum(dim=0).min()) < len(problem.splits["train"])
