"""Trained groups as standard adapters: saved, read by peft itself, and routed."""

from __future__ import annotations

import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import PeftModel
from transformers import Trainer, TrainingArguments

import cotrain
from cotrain.adapters import RoutedAdapters, save_adapters, trainer_rows
from cotrain.adapters.routes import Routes
from cotrain.errors import InputError, MismatchError
from cotrain.evaluation.trained import TrainedGroups
from cotrain.problem import Problem

from . import tiny
from .test_networks import inputs_of

GROUPS = {
    "bert": [["red", "way"], ["length"]],
    "llama": [["repeat"], ["last"]],
    "t5": [["repeat", "last"]],
}


@cache
def trained(architecture: tiny.Architecture) -> tuple[Problem, TrainedGroups]:
    problem = tiny.fresh(architecture, training={"epochs": 1, "batch_size": 16})
    grouping = cotrain.Grouping.from_groups(GROUPS[architecture])
    return problem, cotrain.train(problem, grouping, seeds=1, random_draws=1)


def saved(architecture: tiny.Architecture, folder: Path) -> RoutedAdapters:
    problem, groups = trained(architecture)
    save_adapters(groups, problem, folder / "adapters")
    words = tiny.tokenizer(end=architecture == "t5")
    return RoutedAdapters.load(folder / "adapters", model=tiny.model(architecture), tokenizer=words)


def test_predictions_are_those_of_the_trained_groups(tmp_path: Path) -> None:
    problem, groups = trained("bert")
    routed = saved("bert", tmp_path)
    texts = tiny.sentences(12, seed=9)
    for position, fit in enumerate(groups.fits[0]):
        with torch.no_grad():
            inputs = tiny.tokenizer()(texts, padding=True, return_tensors="pt")
            outputs = fit.network(
                {"input_ids": inputs["input_ids"], "attention_mask": inputs["attention_mask"]}
            ).numpy()
        for task in problem.tasks_of(groups.grouping.groups[position]):
            found = routed.predict(task.name, texts)
            if task.name == "red":
                assert found.tolist() == [task.labels[int(value > 0)] for value in outputs[:, 0]]
            elif task.name == "way":
                assert found.tolist() == [task.labels[code] for code in outputs[:, 1:].argmax(axis=1)]
            else:
                np.testing.assert_allclose(found, task.center + task.scale * outputs[:, 0], rtol=1e-4)


def test_each_task_generates_with_its_own_group(tmp_path: Path) -> None:
    problem, groups = trained("llama")
    routed = saved("llama", tmp_path)
    prompts = ["red green", "up"]
    for name in problem.names:
        fit = groups.fits[0][groups.grouping.serving[name]]
        model: Any = fit.network.backbone
        words = [tiny.tokenizer()(one, return_tensors="pt") for one in prompts]
        alone = [model.generate(**one, max_new_tokens=4, do_sample=False) for one in words]
        answers = [
            tiny.tokenizer().decode(found[0, len(one.split()) :], skip_special_tokens=True)
            for one, found in zip(prompts, alone, strict=True)
        ]
        assert routed.generate(name, prompts, max_new_tokens=4, do_sample=False) == answers


def test_sequence_to_sequence_models_generate(tmp_path: Path) -> None:
    routed = saved("t5", tmp_path)
    assert len(routed.generate("repeat", ["red", "red green blue"], max_new_tokens=3, do_sample=False)) == 2
    assert repr(routed) == "RoutedAdapters(2 tasks, 1 adapters)"


def test_peft_reads_them_without_cotrain(tmp_path: Path) -> None:
    problem, groups = trained("llama")
    saved("llama", tmp_path)
    folder = tmp_path / "adapters" / "group-1"
    assert {path.name for path in folder.iterdir()} >= {"adapter_config.json", "adapter_model.safetensors"}
    with pytest.warns(FutureWarning):
        plain = PeftModel.from_pretrained(tiny.model("llama"), str(folder))
    rows = inputs_of(problem.splits["test"])
    rows.pop("token_weights")
    own: Any = groups.fits[0][1].network.backbone
    with torch.no_grad():
        torch.testing.assert_close(plain(**rows).logits, own(**rows).logits)


def test_groups_save_and_load_small(tmp_path: Path) -> None:
    problem, groups = trained("llama")
    groups.save(tmp_path / "groups", problem)
    again = TrainedGroups.load(tmp_path / "groups", problem)
    for one, two in zip(groups.fits[0], again.fits[0], strict=True):
        torch.testing.assert_close(one.network.state_dict(), two.network.state_dict())


def test_rows_for_another_trainer_mask_what_is_not_predicted() -> None:
    problem, _ = trained("llama")
    rows = trainer_rows(problem, ["last"])
    assert len(rows) == len(problem.rows_of(("last",), "train"))
    network: Any = problem.build(problem.tasks).backbone
    batch = {name: torch.stack([row[name] for row in rows]) for name in rows[0]}
    weights = inputs_of(problem.rows_of(("last",), "train"))["token_weights"]
    assert (batch["labels"] != -100).equal(weights > 0)
    assert torch.isfinite(network(**batch).loss)


def test_the_trainer_of_transformers_takes_them_and_leaves_an_adapter_to_start_from(tmp_path: Path) -> None:
    problem, _ = trained("llama")
    adapted = tiny.adapted("llama")
    options: dict[str, Any] = {"max_steps": 2, "learning_rate": 0.1, "report_to": [], "disable_tqdm": True}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what transformers says to torch
        given = TrainingArguments(str(tmp_path), use_cpu=True, save_strategy="no", **options)
        Trainer(model=adapted, args=given, train_dataset=trainer_rows(problem, ["last"])).train()
    again = Problem.from_texts(tiny.instructed(), model=adapted, tokenizer=tiny.tokenizer(), max_length=24)
    started = again.build(again.tasks).state_dict()
    assert any(bool(value.any()) for name, value in started.items() if "lora_B" in name)


def other_model(folder: Path) -> Any:
    return RoutedAdapters.load(folder, model=tiny.model("llama", seed=1), tokenizer=tiny.tokenizer())


def test_what_does_not_belong_together_is_refused(tmp_path: Path) -> None:
    problem, groups = trained("llama")
    routed = saved("llama", tmp_path)
    refusals: list[tuple[Any, str]] = [
        (lambda: other_model(tmp_path / "adapters"), "It is another"),
        (lambda: other_model(tmp_path), "`folder` must hold saved adapters"),
        (lambda: RoutedAdapters.load(tmp_path / "adapters", model=tiny.adapted("llama")), "must be the bare model"),
        (lambda: routed.predict("last", ["red"]), "Use `generate`"),
        (lambda: routed.generate("first", ["red"]), "`task` must be one of"),
        (lambda: save_adapters(groups, problem, tmp_path / "adapters"), "exists already"),
        (lambda: save_adapters(groups, problem, tmp_path / "new", seed=7), "`seed` must be one of [0]"),
        (lambda: trainer_rows(trained("bert")[0], ["red"]), "`problem` must be one of sequences"),
    ]
    for call, message in refusals:
        with pytest.raises(InputError) as refused:
            call()
        assert message in str(refused.value)
    assert isinstance(Routes.load(tmp_path / "adapters"), Routes)
    with pytest.raises(MismatchError):
        other_model(tmp_path / "adapters")
    assert not (tmp_path / "new").exists()
