"""A network on top of a frozen transformer with adapters."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from cotrain.models.text.padding import in_blocks, trimmed


def sharing(weights: Iterable[nn.Parameter]) -> dict[int, nn.Parameter]:
    """Return a memo for :func:`copy.deepcopy` with which copies share the memory of frozen weights.

    The parameters themselves are not shared: moving one network to another device leaves the others where they are.
    """
    return {id(weight): nn.Parameter(weight.detach(), requires_grad=False) for weight in weights}


class AdaptedNetwork(nn.Module):
    """What is frozen is shared by all copies and left out of saved weights; only the rest makes networks differ.

    Parameters
    ----------
    backbone
        A ``peft.PeftModel``.
    digest
        Of the frozen weights; stored networks of another model are refused by it.
    tokens_at_once
        Where no gradient is asked for, rows run in blocks of so many tokens.
    """

    def __init__(self, backbone: nn.Module, digest: str, tokens_at_once: int) -> None:
        super().__init__()
        self.backbone = backbone
        self._digest, self._tokens_at_once = digest, tokens_at_once
        weights = backbone.named_parameters(remove_duplicate=False)  # a tied weight has two names
        self._frozen = frozenset(f"backbone.{name}" for name, weight in weights if not weight.requires_grad)
        self._left_out = self._frozen | {f"backbone.{name}" for name, _ in backbone.named_buffers()}

    def extra_repr(self) -> str:
        """Tell which frozen weights it stands on."""
        return f"frozen={self._digest}"

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Map token matrices to outputs ``(rows, sum of widths)``."""
        if torch.is_grad_enabled():
            return self.outputs(trimmed(inputs, exactly=self.training))
        return in_blocks(self.outputs, inputs, self._tokens_at_once)

    def outputs(self, inputs: dict[str, Tensor]) -> Tensor:
        """Return outputs for a batch that fits into memory."""
        raise NotImplementedError

    def state_dict(self, *, destination: Any = None, prefix: str = "", keep_vars: bool = False) -> Any:
        """Return the weights that are its own."""
        whole: dict[str, Any] = super().state_dict(destination=destination, prefix=prefix, keep_vars=keep_vars)
        return {name: value for name, value in whole.items() if name not in self._left_out}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Load the weights that are its own."""
        frozen = {name: value for name, value in super().state_dict().items() if name in self._left_out}
        return super().load_state_dict({**frozen, **state_dict}, strict=strict, assign=assign)

    def __deepcopy__(self, memo: dict[int, Any]) -> AdaptedNetwork:
        memo.update(sharing(weight for name, weight in self.named_parameters() if name in self._frozen))
        twin = type(self).__new__(type(self))
        memo[id(self)] = twin
        vars(twin).update(copy.deepcopy(vars(self), memo))
        return twin
