"""Reading texts: the forms they come in, what becomes of them, and what is refused."""

from __future__ import annotations

import importlib.util
from typing import Any

import pandas as pd
import pytest
import torch
from peft import LoraConfig, PromptTuningConfig
from transformers import BertForSequenceClassification

from cotrain.errors import InputError, MissingExtraError
from cotrain.problem import Problem
from cotrain.problem.readers.text_data import read_own_texts
from cotrain.problem.readers.text_models import load_backbone
from cotrain.problem.readers.tokens import continuation_tokens, read_tokens, translation_tokens

from . import tiny
from .test_networks import inputs_of

WORDS = tiny.tokenizer()


def test_labels_keep_their_kinds_and_texts_their_tokens() -> None:
    problem = tiny.problem("bert")
    assert [task.kind for task in problem.tasks] == ["binary", "multiclass", "regression"]
    assert [len(problem.splits[split]) for split in ("train", "validation", "test")] == [70, 25, 25]
    inputs = inputs_of(problem.splits["train"])
    assert set(inputs) == {"input_ids", "attention_mask"}
    assert inputs["attention_mask"].sum(dim=1).max() <= 9
    assert problem.recipe["form"] == "labels"


def test_tables_and_given_splits_read_as_pairs_do() -> None:
    texts, labels = tiny.labelled()["red"]
    cut = {"train": slice(0, 24), "validation": slice(24, 32), "test": slice(32, 40)}
    pairs = {split: (texts[part], labels[part]) for split, part in cut.items()}
    tables = {split: pd.DataFrame({"prompt": own, "is_red": red}) for split, (own, red) in pairs.items()}
    options: dict[str, Any] = {"model": tiny.model("bert"), "tokenizer": WORDS}
    one = Problem.from_texts({"red": pairs}, **options)
    two = Problem.from_texts({"red": tables}, columns=("prompt", "is_red"), **options)
    assert one.fingerprint == two.fingerprint
    assert len(one.splits["train"]) == 24


def test_pairs_of_texts_are_told_apart() -> None:
    class Pairs:
        eos_token_id, pad_token_id = None, 0

        def __call__(self, *parts: str, **_: Any) -> dict[str, list[int]]:
            ids = [len(word) for part in parts for word in part.split()]
            return {
                "input_ids": ids,
                "token_type_ids": [number for number, part in enumerate(parts) for _ in part.split()],
            }

    found = read_tokens(Pairs(), [("a bb", "ccc"), "a"], 8)
    assert found["token_type_ids"][0, :3].tolist() == [0, 0, 1]
    assert found["input_ids"][:, :3].tolist() == [[1, 2, 3], [1, 0, 0]]


def test_answers_count_and_prompts_do_not() -> None:
    found = continuation_tokens(WORDS, ["red green", ""], ["blue", "up down"], 16)
    red, green, blue, up, down = (WORDS.convert_tokens_to_ids(w) for w in ("red", "green", "blue", "up", "down"))
    end = WORDS.eos_token_id
    assert found["input_ids"][0, :4].tolist() == [red, green, blue, end]
    assert found["token_weights"][0, :5].tolist() == [0, 0, 1, 1, 0]
    assert found["input_ids"][1, :3].tolist() == [up, down, end]
    assert found["token_weights"][1, :4].tolist() == [0, 1, 1, 0]  # nothing stands before the first


def test_long_prompts_lose_their_beginning_and_keep_the_answer() -> None:
    found = continuation_tokens(WORDS, ["red red red green"], ["blue"], 4)
    assert WORDS.decode(found["input_ids"][0, :4]) == "red green blue </s>"
    assert found["token_weights"][0, :4].tolist() == [0, 0, 1, 1]


def test_targets_of_translations_are_padded_with_what_is_ignored() -> None:
    found = translation_tokens(tiny.tokenizer(end=True), ["red", "red green"], ["up", "one two three"], 16)
    assert (found["labels"] == -100).sum(dim=1).tolist() == [6, 4]
    assert (found["labels"] != -100).equal(found["token_weights"] > 0)


def test_a_head_that_the_model_brings_is_replaced() -> None:
    whole = BertForSequenceClassification(tiny.model("bert").config)
    problem = Problem.from_texts(tiny.labelled(), model=whole, tokenizer=WORDS, unusable="drop")
    assert problem.build(problem.tasks)(problem.splits["test"].inputs).shape == (25, 5)


def test_a_language_model_predicts_labels_where_kinds_say_so() -> None:
    data = {"red": tiny.labelled()["red"]}
    options: dict[str, Any] = {"kinds": "binary", "pooling": "last", "max_length": 24}
    problem = Problem.from_texts(data, model=tiny.model("llama"), tokenizer=WORDS, **options)
    assert problem.recipe["form"] == "labels"
    assert not problem.pieces


def test_networks_start_from_an_adapter_that_a_trainer_left() -> None:
    adapted = tiny.adapted("llama")
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_B" in name:
                weight.fill_(0.5)
    problem = Problem.from_texts(tiny.instructed(), model=adapted, tokenizer=WORDS, max_length=24)
    network = problem.build(problem.tasks)
    assert all(bool((value == 0.5).all()) for name, value in network.state_dict().items() if "lora_B" in name)
    network.load_state_dict({name: torch.zeros_like(value) for name, value in network.state_dict().items()})
    assert all(bool((w == 0.5).all()) for name, w in adapted.named_parameters() if "lora_B" in name)


def test_the_frozen_weights_are_known_with_and_without_an_adapter() -> None:
    models = tiny.model("llama"), tiny.adapted("llama"), tiny.model("llama", seed=1)
    bare, adapted, other = (load_backbone(model, None, labels=None).digest for model in models)
    assert bare == adapted != other


def test_at_most_so_many_tokens_of_a_task_are_linearised() -> None:
    problem = tiny.fresh("llama", gradient_tokens=11)
    assert problem.pieces["train"].observed.sum(dim=0).tolist() == [11, 11]


def test_a_model_is_loaded_from_a_folder(tmp_path: Any) -> None:
    tiny.model("llama").save_pretrained(tmp_path)
    WORDS.save_pretrained(tmp_path)
    problem = Problem.from_texts(tiny.instructed(), model=tmp_path, max_length=24)
    assert problem.recipe["form"] == "causal"


def frozen() -> Any:
    adapted = tiny.adapted("llama")
    adapted.requires_grad_(False)
    return adapted


def small() -> Any:
    model = tiny.model("bert")
    model.resize_token_embeddings(5)
    return model


def strayed() -> Any:
    model = tiny.model("llama")
    model.config.eos_token_id = 7
    return model


BERT: dict[str, Any] = {"data": tiny.labelled(), "model": tiny.model("bert"), "tokenizer": WORDS, "unusable": "drop"}
LLAMA: dict[str, Any] = {"data": tiny.instructed(), "model": tiny.model("llama"), "tokenizer": WORDS, "max_length": 24}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (BERT | {"adapter": LoraConfig(target_modules=["pooler.dense"])}, "No gradient reaches pooler.dense"),
        (BERT | {"adapter": LoraConfig(target_modules=["absent"])}, "`adapter` must fit the model, a BertModel"),
        (BERT | {"adapter": PromptTuningConfig(num_virtual_tokens=2)}, "PromptTuningConfig prepends tokens"),
        (BERT | {"adapter": "lora"}, "`adapter` must be a peft.PeftConfig"),
        (BERT | {"model": small()}, "It has 14 tokens, the model knows 5"),
        (BERT | {"tokenizer": None}, "`tokenizer` must be given"),
        (BERT | {"model": "no/such/folder", "tokenizer": None}, "`model` must be a model or the place of one"),
        (BERT | {"max_length": 99}, "`max_length` must be at most 32"),
        (BERT | {"pooling": "max"}, "`pooling` must be one of"),
        (BERT | {"network": {"hidden": [3]}}, "`network` cannot be used with texts"),
        (BERT | {"split": [0, 1]}, "`split` cannot be used"),
        (BERT | {"kinds": "sequence"}, "`model` must be one that generates text"),
        (BERT | {"kinds": {"red": "binary", "way": "sequence"}}, "'sequence' for all tasks or for none"),
        (BERT | {"data": {}}, "at least one task"),
        (BERT | {"data": {"a": (["red"] * 9, [0, 1])}}, "as many labels as texts. Found 2 and 9"),
        (BERT | {"data": {"a": ([1, 2], [0, 1])}}, "must hold texts, or pairs of two. Found int in row 1"),
        (BERT | {"data": {"a": ([""] * 9, [0, 1, 2] * 3)}}, "at least one token. Row 1 has none"),
        (BERT | {"data": {"a": {"text": ["red"]}}}, "have a column 'label'. Found ['text']"),
        (BERT | {"data": {"a": {"train": (["red"], [0])}}}, "must hold train, validation, test"),
        (LLAMA | {"model": strayed()}, "Its EOS token is 3, the model's is 7"),
        (LLAMA | {"model": frozen()}, "All its weights are frozen"),
        (LLAMA | {"data": tiny.labelled()}, "must hold texts to predict for a model that generates text"),
        (LLAMA | {"model": tiny.model("t5"), "kinds": "binary"}, "must be an encoder or a decoder"),
    ],
)
def test_what_cannot_be_used_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as refused:
        Problem.from_texts(**changes)
    assert message in str(refused.value)


def test_without_the_packages_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"cotrain\[text\]"):
        Problem.from_texts(**BERT)


def test_columns_that_only_look_like_tables_are_read() -> None:
    class Dataset:
        column_names = ("text", "label")

        def __getitem__(self, column: str) -> list[Any]:
            return ["red", "blue"] if column == "text" else [1, 0]

    own = read_own_texts("red", {"train": Dataset(), "validation": Dataset(), "test": Dataset()}, ("text", "label"))
    assert own.labels == [1, 0] * 3
    assert own.split is not None
    assert own.split.tolist() == [0, 0, 1, 1, 2, 2]
