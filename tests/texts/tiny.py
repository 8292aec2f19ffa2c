"""Tiny transformers with random weights and a tokenizer of words, made here: nothing is downloaded."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any, Literal

import numpy as np
import pytest

pytest.importorskip("transformers", reason="the extra `text` is not installed")
pytest.importorskip("peft", reason="the extra `text` is not installed")

from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import (
    BertConfig,
    BertModel,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from cotrain.problem import Problem
from cotrain.seeding import seeded

Architecture = Literal["bert", "gpt2", "llama", "t5"]
WORDS = ("red", "green", "blue", "up", "down", "left", "one", "two", "three", "four")
ROLES = ("pad_token", "unk_token", "bos_token", "eos_token")
SPECIAL = ("[PAD]", "[UNK]", "<s>", "</s>")
VOCABULARY = len(SPECIAL) + len(WORDS)


def tokenizer(*, end: bool = False) -> Any:
    """Every word is a token; ``end`` closes each text, as T5's tokenizer does."""
    words = {word: code for code, word in enumerate((*SPECIAL, *WORDS))}
    inner = Tokenizer(WordLevel(words, SPECIAL[1]))
    inner.pre_tokenizer = Whitespace()
    if end:
        inner.post_processor = TemplateProcessing(single="$A </s>", special_tokens=[("</s>", words["</s>"])])
    return PreTrainedTokenizerFast(tokenizer_object=inner, **dict(zip(ROLES, SPECIAL, strict=True)))


def model(architecture: Architecture, seed: int = 0) -> Any:
    """A network of a few thousand weights."""
    ends: dict[str, Any] = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}
    size: dict[str, Any] = {"vocab_size": VOCABULARY, **ends}
    depth: dict[str, Any] = {"num_hidden_layers": 2, "num_attention_heads": 2}
    wide: dict[str, Any] = {**depth, "hidden_size": 16, "intermediate_size": 24}
    with seeded(seed, architecture):
        if architecture == "bert":
            return BertModel(BertConfig(**size, **wide, max_position_embeddings=32))
        if architecture == "gpt2":
            return GPT2LMHeadModel(GPT2Config(**size, n_embd=16, n_layer=2, n_head=2, n_positions=32))
        if architecture == "llama":
            heads = {"num_key_value_heads": 1, "max_position_embeddings": 32}
            return LlamaForCausalLM(LlamaConfig(**size, **wide, **heads))
        start = {"decoder_start_token_id": 0, "d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 2, "num_heads": 2}
        return T5ForConditionalGeneration(T5Config(**size, **start))


def adapted(architecture: Architecture, rank: int = 2) -> Any:
    """A model with a LoRA adapter of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what peft asks of transformers
        return get_peft_model(model(architecture), LoraConfig(r=rank))


def sentences(rows: int, seed: int, longest: int = 9) -> list[str]:
    """Texts of one to ``longest`` words."""
    draw = np.random.default_rng(seed)
    return [" ".join(draw.choice(WORDS, draw.integers(1, longest + 1))) for _ in range(rows)]


def labelled(rows: int = 40) -> dict[str, tuple[list[str], list[Any]]]:
    """Three tasks of labels on texts of their own: two colours, three directions, a number."""
    first, second, third = (sentences(rows, seed) for seed in range(3))
    return {
        "red": (first, ["red" in text for text in first]),
        "way": (second, [(text.count("up") > 0) + (text.count("down") > 0) for text in second]),
        "length": (third, [len(text.split()) / 3 + 0.01 for text in third]),
    }


def instructed(rows: int = 30) -> dict[str, tuple[list[str], list[str]]]:
    """Two tasks of texts: say it again, say the last word and a number."""
    first, second = (sentences(rows, seed, longest=5) for seed in range(2))
    return {
        "repeat": (first, first),
        "last": (second, [f"{text.split()[-1]} {('one', 'two')[len(text) % 2]}" for text in second]),
    }


@cache
def problem(architecture: Architecture) -> Problem:
    """A problem that tests may share."""
    return fresh(architecture)


def fresh(architecture: Architecture, **options: Any) -> Problem:
    """A problem of labels for BERT, of sequences for the others."""
    data: Any = labelled() if architecture == "bert" else instructed()
    training = {"epochs": 2, "batch_size": 8}
    words = tokenizer(end=architecture == "t5")
    chosen = {"training": training, "unusable": "drop", "max_length": 24, **options}
    return Problem.from_texts(data, model=model(architecture), tokenizer=words, **chosen)
