"""A user's own network: mistakes in shapes, losses and targets show at construction."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cotrain.errors import InputError
from cotrain.problem import Problem, Task

TASKS = (Task("sign"), Task("third", "multiclass", classes=3), Task("mean", "regression"))


class TwoInputs(nn.Module):
    """Takes named inputs and returns outputs by task."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        super().__init__()
        self.heads = nn.ModuleDict({task.name: nn.Linear(5, task.width) for task in tasks})

    def forward(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        joined = torch.cat([inputs["left"], inputs["right"].float()], dim=1)
        return {name: head(joined) for name, head in self.heads.items()}


def example(rows: int = 60) -> tuple[dict[str, Tensor], Tensor]:
    left = torch.randn(rows, 3, generator=torch.Generator().manual_seed(0))
    right = torch.arange(2 * rows).reshape(rows, 2) % 7
    targets = torch.stack([(left[:, 0] > 0).float(), torch.arange(rows) % 3, 9 + left.mean(dim=1)], dim=1)
    targets[::7, 0] = torch.nan
    return {"left": left, "right": right}, targets


def test_named_inputs_reach_the_network_as_they_are() -> None:
    inputs, targets = example()
    split = np.arange(60) // 4 % 3
    problem = Problem.from_module(TwoInputs, TASKS, (inputs, targets), split=split)
    kept = problem.splits["validation"].inputs
    assert isinstance(kept, Mapping)
    assert kept["right"].dtype == torch.int64
    assert torch.equal(kept["left"], inputs["left"][torch.from_numpy(split == 1)])
    assert problem.tasks[2].center == pytest.approx(targets[torch.from_numpy(split == 0), 2].mean().item(), rel=1e-5)


def test_given_splits_are_what_codes_say() -> None:
    inputs, targets = example()
    codes = np.repeat([0, 1, 2], 20)
    parts = {
        name: ({key: value[codes == code] for key, value in inputs.items()}, targets[codes == code])
        for code, name in enumerate(("train", "validation", "test"))
    }
    given = Problem.from_module(TwoInputs, TASKS, parts)
    assert given.fingerprint == Problem.from_module(TwoInputs, TASKS, (inputs, targets), split=codes).fingerprint


def absolute(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs[:, 0] - targets).abs()


def test_a_loss_of_its_own_keeps_the_targets() -> None:
    inputs, targets = example()
    task = Task("mean", "regression", loss=absolute)
    problem = Problem.from_module(TwoInputs, [task], (inputs, targets[:, 2:]))
    assert problem.tasks == (task,)
    everything = torch.cat([part.targets for part in problem.splits.values()])
    assert torch.equal(everything.sort(dim=0).values, targets[:, 2:].sort(dim=0).values)


def linear(width: int) -> Callable[[Sequence[Task]], nn.Module]:
    return lambda tasks: nn.Linear(3, width)  # noqa: ARG005


def summed(outputs: Tensor, targets: Tensor) -> Tensor:
    return absolute(outputs, targets).mean()


def negative(outputs: Tensor, targets: Tensor) -> Tensor:
    return -absolute(outputs, targets)


class OnlyFirst(TwoInputs):
    """Forgets all tasks but the first."""

    def forward(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return dict(list(super().forward(inputs).items())[:1])


class Narrow(TwoInputs):
    """Returns one column for every task."""

    def forward(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: output[:, :1] for name, output in super().forward(inputs).items()}


LEFT = example()[0]["left"]


@pytest.mark.parametrize(
    ("build", "tasks", "data", "message"),
    [
        (linear(2), TASKS, (LEFT, example()[1]), r"must return 5 columns.*Found shape \(2, 2\)"),
        (nn.Linear, TASKS, example(), "A dry run of tasks .* on 2 rows .*'left' .2, 3..* failed with TypeError"),
        (TwoInputs, TASKS, (LEFT, example()[1]), r"\(inputs \(2, 3\)\) failed with"),
        (OnlyFirst, TASKS, example(), r"returned no output for \['third', 'mean'\]"),
        (Narrow, TASKS, example(), r"outputs \(2, 3\) for task 'third' on 2 rows. Found \(2, 1\)"),
        (TwoInputs, TASKS[:2], example(), "`targets` must have one column for each of 2 tasks. Found 3"),
        (TwoInputs, [TASKS[0]] * 3, example(), "`tasks` must not repeat a name"),
        (TwoInputs, TASKS, example()[0], "`data` must be .inputs, targets., or such a pair for each"),
        (TwoInputs, TASKS, (example()[0], example(9)[1]), "must have the same number of rows. Found 60 and 60 and 9"),
        (TwoInputs, TASKS, (example()[0], example()[1] + 1), "'sign' holds 2"),
        (TwoInputs, TASKS, (example()[0], example()[1] / 0), "'mean' holds infinity"),
        (TwoInputs, TASKS, ({**example()[0], "left": LEFT / 0}, example()[1]), "`inputs` must be finite.* in left"),
        (
            TwoInputs,
            [Task("mean", "regression", loss=summed)],
            (example()[0], example()[1][:, 2]),
            r"`loss` of task 'mean' must return one loss for each of 2 rows. Found shape \(\)",
        ),
        (
            TwoInputs,
            [Task("mean", "regression", loss=negative)],
            (example()[0], example()[1][:, 2]),
            "`loss` of task 'mean' must not be negative",
        ),
        (
            TwoInputs,
            [Task("sign", "sequence")],
            (example()[0], example()[1][:, 0]),
            "`targets` of a sequence task must be codes from 1. 'sign' holds 0",
        ),
    ],
)
def test_mistakes_are_named_at_construction(build: Any, tasks: Any, data: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Problem.from_module(build, tasks, data)


def test_the_dry_run_leaves_global_random_state_alone() -> None:
    before = torch.get_rng_state()
    Problem.from_module(TwoInputs, TASKS, example())
    assert torch.equal(torch.get_rng_state(), before)
