"""Networks on one frozen transformer: what they share, what they save, and what they compute."""

from __future__ import annotations

import copy
from typing import cast, get_args

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from cotrain.models.text import AdaptedNetwork
from cotrain.models.text.language import LanguageNetwork, token_losses
from cotrain.problem import SPLITS, Problem, Task, margin_of_loss, row_losses
from cotrain.problem.rows import Rows, select
from cotrain.seeding import seeded
from cotrain.training.ledger import network_digest
from cotrain.training.trainer import Trainer

from . import tiny

ARCHITECTURES = get_args(tiny.Architecture)
LANGUAGE = ("gpt2", "llama", "t5")


def built(problem: Problem, seed: int = 0) -> AdaptedNetwork:
    """An untrained network whose adapters do something: LoRA starts at zero."""
    with seeded(seed, "network"):
        network = cast(AdaptedNetwork, problem.build(problem.tasks)).eval()
        for weight in network.parameters():
            if weight.requires_grad:
                weight.data.normal_(std=0.3)
    return network


def inputs_of(rows: Rows) -> dict[str, Tensor]:
    return dict(cast(dict[str, Tensor], rows.inputs))


def padded(inputs: dict[str, Tensor], more: int) -> dict[str, Tensor]:
    return {name: F.pad(part, (0, more), value=-100 if name == "labels" else 0) for name, part in inputs.items()}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_training_moves_adapters_and_leaves_the_frozen_weights(architecture: tiny.Architecture) -> None:
    problem = tiny.problem(architecture)
    model = problem.build.backbone.model  # type: ignore[attr-defined]
    before = copy.deepcopy(model.state_dict())
    fit = Trainer(problem).fit(problem.subset(problem.names))
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)
    assert all("lora_" in name or name.startswith("heads.") for name in fit.network.state_dict())
    assert any(bool(value.any()) for name, value in fit.network.state_dict().items() if "lora_B" in name)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_copies_share_what_is_frozen_and_nothing_else(architecture: tiny.Architecture) -> None:
    network = built(tiny.problem(architecture))
    twin = copy.deepcopy(network)
    for (name, one), (_, other) in zip(network.named_parameters(), twin.named_parameters(), strict=True):
        assert (one.data_ptr() == other.data_ptr()) == (not one.requires_grad), name
    torch.testing.assert_close(twin.state_dict(), network.state_dict())


def test_weights_of_their_own_are_all_that_is_needed_to_restore() -> None:
    problem = tiny.problem("bert")
    network, other = built(problem), built(problem, seed=1)
    rows = problem.splits["test"].inputs
    other.load_state_dict(network.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(other(rows), network(rows))
    with pytest.raises(RuntimeError, match="Missing key"):
        other.load_state_dict({})


def test_networks_on_another_model_have_another_digest() -> None:
    problem = tiny.problem("gpt2")
    other = Problem.from_texts(
        tiny.instructed(), model=tiny.model("gpt2", seed=1), tokenizer=tiny.tokenizer(), max_length=24
    )
    one, two = (network_digest(built(each)) for each in (problem, other))
    assert one != two
    assert one == network_digest(built(problem))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_neither_padding_nor_batch_mates_change_a_row(architecture: tiny.Architecture) -> None:
    problem = tiny.problem(architecture)
    network, inputs = built(problem), inputs_of(problem.splits["train"])
    with torch.no_grad():
        together = network(padded(inputs, 8))
    row = select(inputs, torch.tensor([5]))
    torch.testing.assert_close(network(row), together[5:6], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(network.train(False)(inputs), together, rtol=1e-4, atol=1e-5)


def test_blocks_return_rows_in_their_order() -> None:
    problem = tiny.problem("bert")
    network = built(problem)
    whole = network(problem.splits["train"].inputs).detach()
    network._tokens_at_once = 40
    with torch.no_grad():
        torch.testing.assert_close(network(problem.splits["train"].inputs), whole, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("pooling", ["mean", "first", "last"])
def test_pooling_looks_at_tokens_only(pooling: str) -> None:
    problem = tiny.fresh("bert", pooling=pooling)
    network, inputs = built(problem), inputs_of(problem.splits["train"])
    hidden = network.backbone(**{name: part[3:4] for name, part in inputs.items()}).last_hidden_state[0]
    length = int(inputs["attention_mask"][3].sum())
    vector = {"mean": hidden[:length].mean(dim=0), "first": hidden[0], "last": hidden[length - 1]}[pooling]
    torch.testing.assert_close(network(inputs)[3], network.heads(vector), rtol=1e-4, atol=1e-5)  # type: ignore[operator]


def test_a_task_starts_the_same_among_any_partners() -> None:
    problem = tiny.problem("bert")
    pair = problem.with_tasks(["way", "red"])
    with seeded(3, "network"):
        everyone = problem.build(problem.tasks).eval()
    with seeded(3, "network"):
        some = pair.build(pair.tasks).eval()
    rows = select(problem.splits["train"].inputs, torch.arange(6))
    torch.testing.assert_close(some(rows)[:, 3], everyone(rows)[:, 0])


@pytest.mark.parametrize("architecture", LANGUAGE)
def test_task_losses_are_those_of_the_model_itself(architecture: tiny.Architecture) -> None:
    problem = tiny.problem(architecture)
    network, rows = built(problem), problem.splits["train"]
    losses = row_losses(problem.tasks, network(rows.inputs), rows.targets).sum(dim=0) / rows.observed.sum(dim=0)
    for column, loss in enumerate(losses):
        own = inputs_of(rows.take(rows.observed[:, column]))
        counted = own.pop("token_weights") > 0
        labels = own.pop("labels", own["input_ids"]).masked_fill(~counted, -100)
        reference = network.backbone(**own, labels=labels).loss
        torch.testing.assert_close(loss, reference, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("architecture", LANGUAGE)
def test_pieces_are_single_tokens_with_exact_margins(architecture: tiny.Architecture) -> None:
    problem = tiny.problem(architecture)
    network, pieces = built(problem), problem.pieces["train"]
    inputs = inputs_of(pieces)
    logits = network.backbone(**{name: part for name, part in inputs.items() if name != "token_weights"}).logits
    position = inputs["token_weights"].argmax(dim=1)
    produced = inputs.get("labels", inputs["input_ids"])[torch.arange(len(pieces)), position]
    said = logits[torch.arange(len(pieces)), position - int("labels" not in inputs)]
    others = said.scatter(1, produced[:, None], -torch.inf).logsumexp(dim=1)
    margins = said.gather(1, produced[:, None])[:, 0] - others
    torch.testing.assert_close(network(inputs)[:, 0], margins, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("architecture", LANGUAGE)
def test_the_mean_over_pieces_is_the_mean_over_rows(architecture: tiny.Architecture) -> None:
    problem = tiny.problem(architecture)
    network = built(problem)
    for split in SPLITS[:2]:
        means = []
        for rows in (problem.splits[split], problem.pieces[split]):
            losses = row_losses(problem.tasks, network(rows.inputs), rows.targets)
            means.append(losses.sum(dim=0) / rows.observed.sum(dim=0))
        torch.testing.assert_close(*means, rtol=1e-4, atol=1e-5)


@given(st.floats(1e-20, 200))
@settings(max_examples=60, deadline=None)
def test_the_margin_of_a_loss_has_that_logistic_loss(loss: float) -> None:
    margin = margin_of_loss(torch.tensor([loss]))
    assert F.softplus(-margin.double()).item() == pytest.approx(loss, rel=1e-5)


def test_losses_of_tokens_stay_precise_when_all_but_certain() -> None:
    logits = torch.tensor([[[60.0, 0.0, 0.0]]])
    assert token_losses(logits, torch.tensor([[0]])).item() == pytest.approx(2 * torch.exp(torch.tensor(-60.0)).item())


def test_every_task_of_a_language_network_reads_the_same() -> None:
    problem = tiny.problem("llama")
    network = built(problem)
    assert isinstance(network, LanguageNetwork)
    outputs = network(problem.splits["test"].inputs)
    assert outputs.shape[1] == 2
    assert bool((outputs[:, 0] == outputs[:, 1]).all())
    assert [task.kind for task in problem.tasks] == ["sequence"] * 2
    assert problem.tasks[0] == Task("repeat", "sequence")
