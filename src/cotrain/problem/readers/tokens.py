"""From texts to token matrices, for each thing that is predicted of a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cotrain.errors import InputError
from cotrain.models.text.padding import IGNORED, pad
from cotrain.problem.readers.text_data import Text

TokenMatrices = dict[str, Tensor]


def read_tokens(tokenizer: Any, texts: Sequence[Text], limit: int) -> TokenMatrices:
    """Return the tokens of texts of which labels are predicted; long texts are cut at their end."""
    rows = [tokenizer(*_parts(text), truncation=True, max_length=limit) for text in texts]
    inputs = _read([row["input_ids"] for row in rows], tokenizer)
    kinds = [row.get("token_type_ids", [0]) for row in rows]
    return {**inputs, "token_type_ids": pad(kinds, 0, torch.int64)} if any(map(any, kinds)) else inputs


def continuation_tokens(tokenizer: Any, prompts: Sequence[Text], answers: Sequence[str], limit: int) -> TokenMatrices:
    """Return prompts and answers as one text, the answers' tokens weighted 1.

    Prompt and answer are tokenised apart, and the answer ends with the tokenizer's end token. Where both together are
    too long, the prompt loses its beginning, and keeps a token; then the answer its end.
    """
    ids, weights = [], []
    ends = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    for prompt, answer in zip(prompts, answers, strict=True):
        produced = [*tokenizer(answer, add_special_tokens=False)["input_ids"], *ends][: limit - 1]
        read = _prompt(tokenizer, prompt, limit - len(produced))
        ids.append(read + produced)
        weights.append([0.0] * len(read) + [1.0] * len(produced))
        weights[-1][0] = 0.0  # nothing stands before it that would predict it
    return {**_read(ids, tokenizer), "token_weights": pad(weights, 0.0, torch.float32)}


def prompt_tokens(tokenizer: Any, prompts: Sequence[Text], limit: int) -> TokenMatrices:
    """Return prompts alone, for answers to be generated after them: padding stands to the left."""
    inputs = _read([_prompt(tokenizer, prompt, limit) for prompt in prompts], tokenizer)
    width = int(inputs["attention_mask"].sum(dim=1).max())
    order = inputs["attention_mask"][:, :width].argsort(dim=1, stable=True)
    return {name: part[:, :width].gather(1, order) for name, part in inputs.items()}


def source_tokens(tokenizer: Any, sources: Sequence[Text], limit: int) -> TokenMatrices:
    """Return what an encoder reads; long texts are cut at their end."""
    read = tokenizer([_whole(source) for source in sources], truncation=True, max_length=limit)["input_ids"]
    return _read(read, tokenizer)


def translation_tokens(tokenizer: Any, sources: Sequence[Text], targets: Sequence[str], limit: int) -> TokenMatrices:
    """Return sources, and targets as the tokens a decoder is to produce, each weighted 1."""
    produced = tokenizer(text_target=list(targets), truncation=True, max_length=limit)["input_ids"]
    weights = [[1.0] * len(row) for row in produced]
    decoded = {"labels": pad(produced, IGNORED, torch.int64), "token_weights": pad(weights, 0.0, torch.float32)}
    return {**source_tokens(tokenizer, sources, limit), **decoded}


def _parts(text: Text) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else text


def _whole(text: Text) -> str:
    return "\n".join(_parts(text))


def _prompt(tokenizer: Any, prompt: Text, limit: int) -> list[int]:
    """Return the last tokens of a prompt."""
    ids: list[int] = tokenizer(_whole(prompt))["input_ids"]
    return ids[max(0, len(ids) - limit) :]


def _read(ids: Sequence[Sequence[int]], tokenizer: Any) -> TokenMatrices:
    lengths = np.array([len(row) for row in ids])
    if not lengths.all():
        raise InputError(f"`data` must hold texts with at least one token. Row {int(lengths.argmin()) + 1} has none.")
    fill = tokenizer.pad_token_id or 0  # attention never looks there
    return {"input_ids": pad(ids, fill, torch.int64), "attention_mask": pad([[1] * n for n in lengths], 0, torch.int64)}
