"""Text in, labels out: a transformer's hidden states, pooled, with one head per task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor, nn

from cotrain.models.heads import task_heads
from cotrain.models.text.adapted import AdaptedNetwork
from cotrain.problem.task import Task

Pooling: TypeAlias = Literal["mean", "first", "last"]
POOLINGS: tuple[Pooling, ...] = get_args(Pooling)
_TOKENS_AT_ONCE = 8192


class EncoderNetwork(AdaptedNetwork):
    """Hidden states of a row's tokens become one vector, which every task's head reads.

    Parameters
    ----------
    backbone
        A ``peft.PeftModel`` that returns hidden states.
    digest
        Of its frozen weights.
    tasks
        In the order of the output columns.
    pooling
        ``"mean"`` over tokens, the ``"first"`` token's vector (BERT's ``[CLS]``) or the ``"last"`` one's (decoders).
    """

    def __init__(self, backbone: nn.Module, digest: str, tasks: Sequence[Task], pooling: Pooling) -> None:
        super().__init__(backbone, digest, _TOKENS_AT_ONCE)
        self.pooling = pooling
        self.heads = task_heads(backbone.config.hidden_size, tasks)  # type: ignore[union-attr, arg-type]

    def outputs(self, inputs: dict[str, Tensor]) -> Tensor:
        """Return logits and predictions ``(rows, sum of widths)``."""
        hidden = self.backbone(**inputs).last_hidden_state.to(self.heads.weight.dtype)
        outputs: Tensor = self.heads(_pooled(hidden, inputs["attention_mask"], self.pooling))
        return outputs


def _pooled(hidden: Tensor, mask: Tensor, pooling: Pooling) -> Tensor:
    if pooling == "first":
        return hidden[:, 0]
    if pooling == "last":
        return hidden[torch.arange(len(hidden), device=hidden.device), mask.sum(dim=1) - 1]
    share = mask / mask.sum(dim=1, keepdim=True)
    return torch.einsum("rtf,rt->rf", hidden, share.to(hidden.dtype))
