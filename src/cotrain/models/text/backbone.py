"""A frozen transformer, and copies of it with adapters."""

from __future__ import annotations

import copy
import hashlib
import re
import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import torch
from torch import nn

from cotrain.errors import InputError
from cotrain.models.text.adapted import sharing

if TYPE_CHECKING:
    from peft import PeftConfig, PeftModel

TextForm: TypeAlias = Literal["labels", "causal", "seq2seq"]
"""What is predicted of a text, and by what: labels, its continuation, or another text."""
_BY_PEFT = re.compile(r"^base_model\.model\.|\.base_layer(?=\.)|\.original_module(?=\.)")
"""What peft adds to the names of a model's weights."""
_PEFT_TASKS: dict[TextForm, str] = {"labels": "FEATURE_EXTRACTION", "causal": "CAUSAL_LM", "seq2seq": "SEQ_2_SEQ_LM"}


@dataclass(frozen=True, eq=False)
class Backbone:
    """A transformer whose own weights are never trained.

    Parameters
    ----------
    model
        A ``transformers.PreTrainedModel``, or a ``peft.PeftModel`` whose adapter every network starts from.
    form
        What it is used for.
    adapter
        The adapter that networks get; none where the model brings one.
    """

    model: Any
    form: TextForm
    adapter: PeftConfig | None

    @cached_property
    def digest(self) -> str:
        """Digest of the frozen weights, the same whether or not the model brings an adapter."""
        digest = hashlib.sha256()
        for name, weight in sorted(self._frozen()):
            digest.update(f"{name}/{weight.dtype}/{tuple(weight.shape)}".encode())
            digest.update(weight.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
        return digest.hexdigest()

    def _frozen(self) -> list[tuple[str, nn.Parameter]]:
        """Return the frozen weights under the names that they have in the bare model."""
        bare = self.adapter is not None
        weights = self.model.named_parameters()
        return [(_BY_PEFT.sub("", name), weight) for name, weight in weights if bare or not weight.requires_grad]

    def adapted(self) -> PeftModel:
        """Return a model with adapters of its own and frozen weights that share memory with all others.

        Raises
        ------
        InputError
            When the adapter does not fit the model.
        """
        from peft import get_peft_model

        twin = copy.deepcopy(self.model, sharing(weight for _, weight in self._frozen()))
        if self.adapter is None:
            peft_model: PeftModel = twin
            return peft_model
        config = copy.deepcopy(self.adapter)
        config.task_type = config.task_type or _PEFT_TASKS[self.form]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what peft sets right by itself, and what it asks of transformers
                return get_peft_model(twin, config)
        except (ValueError, TypeError, AttributeError) as error:
            raise InputError(
                f"`adapter` must fit the model, a {type(self.model).__name__}. peft says: {error} "
                "Name modules of the model in `target_modules`."
            ) from error
