"""Problems whose rows are texts: one task per data set, networks of one frozen transformer with adapters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cotrain import checks
from cotrain.checks import Findings
from cotrain.errors import InputError
from cotrain.models.text.backbone import TextForm
from cotrain.models.text.encoder import POOLINGS, Pooling
from cotrain.models.text.factory import TextFactory
from cotrain.problem.columns import Column, as_column
from cotrain.problem.options import TrainingOptions
from cotrain.problem.problem import Problem
from cotrain.problem.readers.assembly import Draft, decided, read_targets, resolved
from cotrain.problem.readers.datasets import note_partial_splits, spread
from cotrain.problem.readers.options import ReaderOptions
from cotrain.problem.readers.pieces import by_token
from cotrain.problem.readers.reach import refuse_unreached_adapters
from cotrain.problem.readers.text_data import OwnTexts, Text, read_own_texts
from cotrain.problem.readers.text_models import load_backbone, load_tokenizer, require_text_extra, token_limit, unlike
from cotrain.problem.readers.tokens import TokenMatrices, continuation_tokens, read_tokens, translation_tokens
from cotrain.problem.targets import Target, infer_kind
from cotrain.problem.task import Task

TEXT_TRAINING = TrainingOptions(learning_rate=1e-3, weight_decay=0.01, batch_size=32, epochs=20, patience=3)
"""Adapters and heads start from nothing and the rest is frozen, so few epochs with large steps suffice."""
_PRODUCED: dict[TextForm, Callable[..., TokenMatrices]] = {"causal": continuation_tokens, "seq2seq": translation_tokens}


@dataclass(frozen=True)
class TextOptions:
    """What only texts need decided; see :meth:`Problem.from_texts`."""

    max_length: int | None = None
    pooling: Pooling = "mean"
    gradient_tokens: int = 2000
    columns: tuple[str, str] = ("text", "label")

    def __post_init__(self) -> None:
        checks.one_of("pooling", self.pooling, POOLINGS)
        checks.at_least("gradient_tokens", self.gradient_tokens, 1)
        if self.max_length is not None:
            checks.at_least("max_length", self.max_length, 2)


def read_texts(
    data: Mapping[str, Any], model: Any, tokenizer: Any, adapter: Any, text: TextOptions, options: ReaderOptions
) -> Problem:
    """Return the problem of texts of several data sets; see ``Problem.from_texts``."""
    require_text_extra()
    found = Findings()
    own = _own(data, text, found)
    _note_unusable_options(options, found)
    found.refuse()
    backbone = load_backbone(model, adapter, labels=_labels_wanted(options))
    words = load_tokenizer(model, tokenizer)
    found.extend(unlike(backbone, words))
    limit = token_limit(backbone, text.max_length)
    with found.gather():
        targets = _targets(own, backbone.form, options, found)
    found.refuse()
    inputs = _tokens(own, backbone.form, words, limit)
    draft = Draft(
        len(inputs["input_ids"]),
        targets,
        lambda _: (inputs, None),
        replace(options, split=_codes(own), training=resolved(options.training, TEXT_TRAINING)),
        TextFactory(backbone, text.pooling),
        {"form": backbone.form, "max_length": limit, "pooling": text.pooling, "gradient_tokens": text.gradient_tokens},
    )
    problem = draft.assemble(found)
    if backbone.form != "labels":
        problem = by_token(problem, most=text.gradient_tokens, seed=options.seed)
    refuse_unreached_adapters(problem)
    return problem


def _own(data: Mapping[str, Any], text: TextOptions, found: Findings) -> dict[str, OwnTexts]:
    if not data:
        found.append("`data` must hold at least one task. Found none.")
    own: dict[str, OwnTexts] = {}
    for name, part in data.items():
        with found.gather():
            own[str(name)] = read_own_texts(str(name), part, text.columns)
    note_partial_splits({name: one.split for name, one in own.items()}, found)
    return own


def _note_unusable_options(options: ReaderOptions, found: Findings) -> None:
    if options.split is not None:
        found.append(
            "`split` cannot be used with `data` per task. Give {'train': ..., 'validation': ..., 'test': ...}."
        )
    if options.network is not None:
        found.append("`network` cannot be used with texts. Choose `model` and `adapter`.")


def _labels_wanted(options: ReaderOptions) -> bool | None:
    """Return whether declared kinds are those of labels (or of sequences); None where none is declared."""
    kinds = {options.kinds} if isinstance(options.kinds, str) else set((options.kinds or {}).values())
    if "sequence" in kinds and len(kinds) > 1:
        raise InputError("`kinds` must be 'sequence' for all tasks or for none. Found both.")
    return "sequence" not in kinds if kinds else None


def _targets(own: Mapping[str, OwnTexts], form: TextForm, options: ReaderOptions, found: Findings) -> list[Target]:
    if form == "labels":
        labels = {name: as_column(np.array(one.labels, dtype=object)) for name, one in own.items()}
        kinds = {name: options.kind_of(name) or infer_kind(column) for name, column in labels.items()}
        return read_targets(spread(labels), replace(options, kinds=kinds), found)
    wrong = [name for name, one in own.items() if not all(isinstance(label, str) for label in one.labels)]
    if wrong:
        found.append(f"`data` must hold texts to predict for a model that generates text. Found others in {wrong}.")
    present: dict[str, Column] = spread({name: np.ones(len(one.labels)) for name, one in own.items()})
    return [Target(decided(Task(name, "sequence"), options), column) for name, column in present.items()]


def _tokens(own: Mapping[str, OwnTexts], form: TextForm, tokenizer: Any, limit: int) -> TokenMatrices:
    texts: list[Text] = [text for one in own.values() for text in one.texts]
    if form == "labels":
        return read_tokens(tokenizer, texts, limit)
    return _PRODUCED[form](tokenizer, texts, [label for one in own.values() for label in one.labels], limit)


def _codes(own: Mapping[str, OwnTexts]) -> Any:
    codes = [one.split for one in own.values() if one.split is not None]
    return np.concatenate(codes) if codes else None
