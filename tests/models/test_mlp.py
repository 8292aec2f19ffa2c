"""The default network starts every task the same whoever its partners are."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cotrain.models.mlp import SharedMLP, SharedMLPFactory
from cotrain.problem import NetworkOptions, Task, output_columns
from cotrain.seeding import seeded

TASKS = [Task("a"), Task("b", "multiclass", classes=3), Task("c", "regression"), Task("d")]


def built(tasks: list[Task], seed: int = 0) -> SharedMLP:
    with seeded(seed, "network"):
        return SharedMLPFactory(5, NetworkOptions(hidden=(8, 4), dropout=0.1))(tasks)


@given(st.permutations(TASKS), st.integers(1, 4), st.integers(0, 100))
@settings(max_examples=25, deadline=None)
def test_a_task_starts_the_same_among_any_partners(order: list[Task], count: int, seed: int) -> None:
    everyone, some = built(TASKS, seed).eval(), built(order[:count], seed).eval()
    inputs = torch.randn(6, 5, generator=torch.Generator().manual_seed(seed))
    full, part = everyone(inputs), some(inputs)
    for task in order[:count]:
        own, reference = output_columns(order[:count])[task.name], output_columns(TASKS)[task.name]
        torch.testing.assert_close(part[:, own], full[:, reference])


def test_without_hidden_layers_it_is_linear() -> None:
    network = SharedMLP(5, TASKS, NetworkOptions(hidden=()))
    one, two = torch.randn(2, 3, 5)
    torch.testing.assert_close(network((one + two) / 2), (network(one) + network(two)) / 2)


def test_factories_compare_by_what_they_build() -> None:
    assert SharedMLPFactory(5, NetworkOptions(hidden=(8,))) == SharedMLPFactory(5, NetworkOptions(hidden=(8,)))
    assert SharedMLPFactory(5, NetworkOptions()) != SharedMLPFactory(6, NetworkOptions())
