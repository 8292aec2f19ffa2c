"""Gradients of adapters and heads, row by row, whatever the architecture."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
import torch
from peft import IA3Config, LoraConfig, PeftConfig
from torch import Tensor, nn

from cotrain.affinity.linear.linearised import forward_losses, linearise
from cotrain.cost import Cost
from cotrain.gradients import collect, make_basis
from cotrain.gradients.doctor import examine
from cotrain.gradients.margins import margin_columns
from cotrain.gradients.parameters import parameter_shapes
from cotrain.problem import Problem, row_losses
from cotrain.training.fit import Fit
from cotrain.training.trainer import Trainer

from . import tiny
from .test_networks import LANGUAGE, built, inputs_of, padded

ARCHITECTURES = get_args(tiny.Architecture)


def flat(network: nn.Module, value: Tensor) -> Tensor:
    own = [weight for weight in network.parameters() if weight.requires_grad]
    found = torch.autograd.grad(value, own, retain_graph=True, allow_unused=True)
    return torch.cat([torch.zeros(w.numel()) if g is None else g.flatten() for w, g in zip(own, found, strict=True)])


def collected(problem: Problem, network: nn.Module, split: str) -> dict[str, Tensor]:
    """Gradients of every task's rows with respect to every trainable weight, and these are all there are."""
    basis = make_basis("identity", problem, network, problem.names)
    trainable = [name for name, weight in network.named_parameters() if weight.requires_grad]
    assert list(parameter_shapes(network)) == trainable
    found = collect(problem, network, problem.names, split, basis)  # type: ignore[arg-type]
    return {name: task.features for name, task in found.items()}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_features_are_the_gradients_of_margins(architecture: tiny.Architecture) -> None:
    problem = tiny.problem(architecture)
    network = built(problem)
    rows = problem.gradient_rows("validation")
    features = collected(problem, network, "validation")
    margins = margin_columns(problem.tasks, network(rows.inputs), rows.targets)
    for column, name in enumerate(problem.names):
        own = rows.observed[:, column].nonzero()[:, 0].tolist()
        expected = torch.stack([flat(network, margins[column][row]) for row in own[:4]])
        torch.testing.assert_close(features[name][:4], expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("architecture", ["bert", "t5"])
def test_padding_leaves_a_rows_gradient_as_it_is(architecture: tiny.Architecture) -> None:
    problem = tiny.problem(architecture)
    network, rows = built(problem), problem.gradient_rows("validation")
    inputs = inputs_of(rows)
    for wide in (inputs, padded(inputs, 8)):
        one = {name: part[2:3] for name, part in wide.items()}
        few = {name: part[:6] for name, part in wide.items()}
        alone, among = flat(network, network(one)[0, 0]), flat(network, network(few)[2, 0])
        torch.testing.assert_close(alone, among, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_lora_takes_the_fast_path(architecture: tiny.Architecture) -> None:
    assert set(examine(tiny.problem(architecture)).paths.values()) == {"structured"}


def test_a_model_of_half_precision_has_adapters_of_single_precision() -> None:
    options: dict[str, Any] = {"tokenizer": tiny.tokenizer(), "max_length": 24}
    problem = Problem.from_texts(tiny.instructed(), model=tiny.model("llama").to(torch.bfloat16), **options)
    network = built(problem)
    types = {weight.dtype for weight in network.parameters() if weight.requires_grad}
    assert types == {torch.float32}
    assert set(examine(problem, network).paths.values()) == {"structured"}


@pytest.mark.parametrize("architecture", LANGUAGE)
def test_small_updates_change_losses_as_the_linearised_tokens_say(architecture: tiny.Architecture) -> None:
    problem = tiny.problem(architecture)
    subset, unknown = problem.subset(problem.names), np.zeros(2)
    base = Fit(subset, 0, built(problem.with_tasks(subset)), unknown, unknown, steps=0, converged=True, cost=Cost())
    model = linearise(problem, base, kind="identity", dim=1, seed=0)
    step = 1e-3 * torch.randn(2, model.basis.dimension, generator=torch.Generator().manual_seed(0))
    updates = torch.cat([torch.zeros_like(step[:1]), step])
    linear = model.losses(updates)
    forward = forward_losses(Trainer(problem), base, [model.basis.lift(update) for update in updates])
    np.testing.assert_allclose(linear[0], forward[0], rtol=1e-4)
    np.testing.assert_allclose(linear[1:] - linear[0], forward[1:] - forward[0], rtol=0.1, atol=3e-5)


@pytest.mark.parametrize("adapter", [LoraConfig(r=2, use_dora=True), IA3Config()])
def test_other_adapters_take_a_slower_path(adapter: PeftConfig) -> None:
    problem = tiny.fresh("llama", adapter=adapter, gradient_tokens=3)
    assert "loop" in examine(problem).paths.values()
    collected(problem, built(problem), "validation")


@pytest.mark.parametrize("architecture", ["llama", "t5"])
def test_gradients_of_pieces_add_up_to_those_of_task_losses(architecture: tiny.Architecture) -> None:
    problem = tiny.problem(architecture)
    network, rows = built(problem), problem.splits["train"]
    losses = row_losses(problem.tasks, network(rows.inputs), rows.targets).sum(dim=0) / rows.observed.sum(dim=0)
    basis = make_basis("identity", problem, network, problem.names)
    found = collect(problem, network, problem.names, "train", basis)
    for loss, name in zip(losses, problem.names, strict=True):
        task = found[name]
        slope = -torch.sigmoid(-task.offset)
        torch.testing.assert_close(slope @ task.features / len(task), flat(network, loss), rtol=1e-3, atol=1e-4)
