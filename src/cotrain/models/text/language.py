"""Text in, text out: a language model whose rows have one margin each, exact for their tokens' cross-entropy."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from torch import Tensor, nn

from cotrain.models.text.adapted import AdaptedNetwork
from cotrain.models.text.padding import IGNORED
from cotrain.problem.losses import margin_of_loss
from cotrain.problem.task import Task

_NUMBERS_AT_ONCE = 2**26


class LanguageNetwork(AdaptedNetwork):
    r"""A causal or sequence-to-sequence model; what it says of a row does not depend on the task.

    A row's loss is the weighted sum of its tokens' cross-entropies, :math:`L = \sum_t a_t \log(1 + e^{-m_t})` with the
    margins :math:`m_t = z_{y_t} - \log \sum_{v \ne y_t} e^{z_v}`. The network returns the margin
    :math:`u = -\log(e^L - 1)` whose logistic loss is :math:`L`; for a row with one token of weight 1 it is that
    token's margin.

    Inputs are ``input_ids``, ``attention_mask`` and ``token_weights`` (:math:`a_t`, zero for prompts and padding), and
    for a decoder that reads other tokens than it produces ``labels``.

    Parameters
    ----------
    backbone
        A ``peft.PeftModel`` that returns logits.
    digest
        Of its frozen weights.
    tasks
        Their number is that of the output columns, which are all the same.
    """

    def __init__(self, backbone: nn.Module, digest: str, tasks: Sequence[Task]) -> None:
        words: int = backbone.get_input_embeddings().weight.shape[0]  # type: ignore[operator]
        super().__init__(backbone, digest, max(256, _NUMBERS_AT_ONCE // words))
        self.tasks = len(tasks)

    def outputs(self, inputs: dict[str, Tensor]) -> Tensor:
        """Return margins ``(rows, tasks)``."""
        weights = inputs.pop("token_weights")
        logits = self.backbone(**inputs).logits
        if "labels" in inputs:
            losses = token_losses(logits, inputs["labels"]) * weights
        else:
            losses = token_losses(logits[:, :-1], inputs["input_ids"][:, 1:]) * weights[:, 1:]
        return margin_of_loss(losses.sum(dim=1))[:, None].expand(-1, self.tasks)


def token_losses(logits: Tensor, tokens: Tensor) -> Tensor:
    """Return the cross-entropy ``(rows, tokens)`` of every token, precise also where it is all but certain."""
    chosen = tokens.masked_fill(tokens == IGNORED, 0)[..., None]
    values = logits.float()
    others = values.scatter(-1, chosen, -torch.inf).logsumexp(dim=-1)
    return F.softplus(others - values.gather(-1, chosen)[..., 0])
