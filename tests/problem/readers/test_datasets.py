"""Data of a task's own: stacked, split within each task, refused by name where it does not fit."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.data import Dataset, TensorDataset

from cotrain.errors import InputError
from cotrain.problem import Problem, Task

from .examples import same_problem


class Pairs(Dataset[tuple[Tensor, Tensor]]):
    """A data set that only knows its items."""

    def __init__(self, inputs: Tensor, labels: Tensor) -> None:
        self.inputs, self.labels = inputs, labels

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.inputs[index], self.labels[index]


def own_rows(seed: int, rows: int = 50) -> tuple[Tensor, Tensor]:
    inputs = torch.randn(rows, 3, generator=torch.Generator().manual_seed(seed))
    return inputs, (inputs[:, 0] > 0).long()


@pytest.mark.parametrize("form", [TensorDataset, Pairs, lambda x, y: (x.numpy(), y.tolist())])
def test_every_form_of_a_data_set_gives_one_problem(form: Any) -> None:
    data = {"a": own_rows(0), "b": own_rows(1)}
    assert same_problem(
        Problem.from_datasets({name: form(*pair) for name, pair in data.items()}), Problem.from_datasets(data)
    )


@given(st.lists(st.integers(20, 60), min_size=1, max_size=4), st.integers(0, 100))
@settings(max_examples=10, deadline=None)
def test_each_row_has_one_label_and_each_task_its_share(sizes: list[int], seed: int) -> None:
    problem = Problem.from_datasets({f"t{i}": own_rows(seed + i, size) for i, size in enumerate(sizes)})
    for part in problem.splits.values():
        assert bool((part.observed.sum(dim=1) == 1).all())
    shares = np.array([part.observed.sum(dim=0).numpy() for part in problem.splits.values()]) / sizes
    np.testing.assert_allclose(shares, np.repeat([[0.6], [0.2], [0.2]], len(sizes), axis=1), atol=0.1)


def test_given_splits_are_kept_and_kinds_may_differ() -> None:
    inputs, _ = own_rows(0, 30)
    words = ["low", "middle", "high"] * 10
    data = {
        name: {split: (inputs + shift, labels) for shift, split in enumerate(("train", "validation", "test"))}
        for name, labels in (("words", words), ("numbers", inputs[:, 1]))
    }
    problem = Problem.from_datasets(data)
    assert [task.kind for task in problem.tasks] == ["multiclass", "regression"]
    assert [len(part) for part in problem.splits.values()] == [60, 60, 60]
    codes = problem.splits["test"].targets[:30, 0].long().tolist()
    assert [problem.tasks[0].labels[code] for code in codes] == words


def test_images_need_a_network_of_their_own() -> None:
    images = torch.rand(40, 1, 4, 4)
    data = {"bright": (images, images.mean(dim=(1, 2, 3)) > 0.5)}
    with pytest.raises(InputError, match=r"`build` must be given for inputs of shape \(1, 4, 4\)"):
        Problem.from_datasets(data)

    def build(tasks: Sequence[Task]) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(16, len(tasks)))

    problem = Problem.from_datasets(data, build=build)
    assert tuple(problem.splits["train"].inputs.shape[1:]) == (1, 4, 4)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        ({"a": own_rows(0), "b": (torch.ones(40, 2), torch.arange(40) % 2)}, {}, r"Found \(3,\) in 'a', \(2,\) in 'b'"),
        ({"a": (torch.ones(5, 2), [0, 1])}, {}, "of task 'a' must have as many labels as inputs. Found 2 and 5"),
        ({"a": {"train": own_rows(0)}}, {}, "of task 'a' must hold train, validation, test. Found .'train'."),
        (
            {"a": dict.fromkeys(("train", "validation", "test"), own_rows(0)), "b": own_rows(1)},
            {},
            "Found them for 1 of 2",
        ),
        ({"a": 7}, {}, "of task 'a' must be .inputs, labels. or a data set"),
        ({}, {}, "must hold at least one task"),
        ({"a": own_rows(0)}, {"split": [0]}, "`split` cannot be used with `data` per task"),
        ({"a": (torch.full((30, 2), torch.inf), torch.arange(30) % 2)}, {}, "`inputs` must be finite"),
    ],
)
def test_unfit_data(data: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Problem.from_datasets(data, **options)
