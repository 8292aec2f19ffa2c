"""The model and tokenizer of a text problem: loaded, and refused where they do not fit together."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cotrain.errors import InputError, MissingExtraError
from cotrain.models.text.backbone import Backbone, TextForm

_DEFAULT_RANK = 8
_TOKENS = ("bos", "eos")


def require_text_extra() -> None:
    """Refuse to go on without the packages of the extra ``text``."""
    if importlib.util.find_spec("transformers") is None or importlib.util.find_spec("peft") is None:
        raise MissingExtraError("Problem.from_texts", extra="text")


def load_backbone(model: Any, adapter: Any, *, labels: bool | None) -> Backbone:
    """Return the frozen model with the adapter that networks get.

    Parameters
    ----------
    model
        A model, or what ``from_pretrained`` takes.
    adapter
        A ``peft.PeftConfig``; LoRA of rank 8 where neither it nor the model's own adapter is given.
    labels
        Whether labels are predicted; by default, unless the model generates text.
    """
    from peft import LoraConfig, PeftModel

    model = _loaded(model, labels) if isinstance(model, str | Path) else model
    form = _form(model, labels)
    if isinstance(model, PeftModel):
        _check_brought(model, adapter)
        return Backbone(model, form, None)
    bare = model.base_model if form == "labels" else model
    rank = LoraConfig(r=_DEFAULT_RANK, lora_alpha=2 * _DEFAULT_RANK)
    return Backbone(bare, form, _checked_adapter(rank if adapter is None else adapter))


def load_tokenizer(model: Any, tokenizer: Any) -> Any:
    """Return the tokenizer: the one given, or the one beside the model."""
    from transformers import AutoTokenizer

    if tokenizer is not None and not isinstance(tokenizer, str | Path):
        return tokenizer
    place = tokenizer if tokenizer is not None else model
    if not isinstance(place, str | Path):
        raise InputError("`tokenizer` must be given where `model` is a model rather than the place of one.")
    try:
        return AutoTokenizer.from_pretrained(str(place))
    except (OSError, ValueError) as error:
        raise InputError(f"`tokenizer` must be a tokenizer or the place of one. '{place}' is not ({error}).") from error


def unlike(backbone: Backbone, tokenizer: Any) -> Iterator[str]:
    """Yield what shows that a tokenizer belongs to another model."""
    rows, words = backbone.model.get_input_embeddings().weight.shape[0], len(tokenizer)
    if words > rows:
        yield (
            f"`tokenizer` must belong to the model. It has {words} tokens, the model knows {rows}. "
            "Load both from one place, or call model.resize_token_embeddings first."
        )
    for name in _TOKENS:
        own, known = getattr(tokenizer, f"{name}_token_id"), getattr(backbone.model.config, f"{name}_token_id", None)
        if backbone.form != "labels" and own is not None and isinstance(known, int) and own != known:
            yield (
                f"`tokenizer` must belong to the model. Its {name.upper()} token is {own}, the model's is {known}. "
                "Load both from one place."
            )


def token_limit(backbone: Backbone, given: int | None) -> int:
    """Return the most tokens of a row: what is given, or 256, and what the model has positions for."""
    positions = getattr(backbone.model.config, "max_position_embeddings", None) or given or 256
    if given is not None and given > positions:
        raise InputError(f"`max_length` must be at most {positions}, the positions that the model has. Found {given}.")
    return given or min(256, positions)


def _loaded(place: str | Path, labels: bool | None) -> Any:
    from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForSeq2SeqLM

    try:
        config = AutoConfig.from_pretrained(str(place))
        names = " ".join(config.architectures or ())
        kind = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
        generates = config.is_encoder_decoder or "CausalLM" in names or "LMHead" in names
        return (kind if generates and not labels else AutoModel).from_pretrained(str(place))
    except (OSError, ValueError) as error:
        raise InputError(f"`model` must be a model or the place of one. '{place}' is not ({error}).") from error


def _form(model: Any, labels: bool | None) -> TextForm:
    generates = bool(model.can_generate())
    if labels is False and not generates:
        raise InputError(
            f"`model` must be one that generates text for `kinds='sequence'`. Found {type(model).__name__}. "
            "Load it by AutoModelForCausalLM or AutoModelForSeq2SeqLM."
        )
    if labels or not generates:
        if model.config.is_encoder_decoder:
            raise InputError(
                f"`model` must be an encoder or a decoder where labels are predicted. Found {type(model).__name__}. "
                "Use its encoder alone (T5EncoderModel, say), or let it generate texts."
            )
        return "labels"
    return "seq2seq" if model.config.is_encoder_decoder else "causal"


def _check_brought(model: Any, adapter: Any) -> None:
    if adapter is not None:
        raise InputError("`adapter` must not be given for a `model` that has one. Pass the bare model, or no adapter.")
    if not any(weight.requires_grad for weight in model.parameters()):
        raise InputError(
            "`model` must have an adapter that trains. All its weights are frozen. Load it with is_trainable=True."
        )
    _checked_adapter(model.active_peft_config)


def _checked_adapter(adapter: Any) -> Any:
    from peft import PeftConfig

    if not isinstance(adapter, PeftConfig):
        raise InputError(
            f"`adapter` must be a peft.PeftConfig, such as LoraConfig(r=8). Found {type(adapter).__name__}."
        )
    if adapter.is_prompt_learning:
        raise InputError(
            f"`adapter` must change layers. {type(adapter).__name__} prepends tokens, which moves every row's tokens. "
            "Use LoraConfig or another adapter of layers."
        )
    return adapter
