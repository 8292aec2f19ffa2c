"""Networks of every kind that the engine has rules for, and some that it has none for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


class Reused(nn.Module):
    """One layer used twice, another shared by reference."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 6)
        self.middle = nn.Linear(6, 6)
        self.twin = nn.Linear(6, 6, bias=False)
        self.twin.weight = self.middle.weight
        self.head = nn.Linear(6, 5)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = torch.tanh(self.first(inputs))
        for _ in range(2):
            hidden = torch.tanh(self.middle(hidden))
        output: Tensor = self.head(torch.tanh(self.twin(hidden)))
        return output


class TiedTokens(nn.Module):
    """A token table that also serves, functionally, as the output layer."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(7, 6, padding_idx=0)
        self.norm = nn.RMSNorm(6)
        self.head = nn.Linear(7, 5)

    def forward(self, tokens: Tensor) -> Tensor:
        hidden = self.norm(self.table(tokens)).mean(dim=1)
        output: Tensor = self.head(torch.tanh(hidden @ self.table.weight.T))
        return output


class Bare(nn.Module):
    """Parameters that belong to no layer: a class token and positions."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(4, 6)
        self.token = nn.Parameter(torch.randn(1, 1, 6))
        self.place = nn.Parameter(torch.randn(6, 6))
        self.head = nn.Linear(6, 5)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = torch.cat([self.token.expand(len(inputs), -1, -1), self.inner(inputs)], dim=1) + self.place
        output: Tensor = self.head(torch.tanh(hidden).mean(dim=1))
        return output


class LowRank(nn.Module):
    """A frozen linear layer with a trainable low-rank addition."""

    def __init__(self) -> None:
        super().__init__()
        self.base = nn.Linear(4, 6).requires_grad_(False)
        self.down, self.up = nn.Linear(4, 2, bias=False), nn.Linear(2, 6, bias=False)
        self.head = nn.Linear(6, 5).requires_grad_(False)

    def forward(self, inputs: Tensor) -> Tensor:
        output: Tensor = self.head(torch.tanh(self.base(inputs) + 2 * self.up(self.down(inputs))).mean(dim=1))
        return output


class Frames(nn.Module):
    """Images of a sequence folded into the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.image = nn.Sequential(nn.Conv2d(1, 4, 2), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Flatten(2))
        self.head = nn.Linear(4, 5)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.image(inputs.flatten(0, 1)).mean(dim=2).reshape(*inputs.shape[:2], 4).mean(dim=1)
        output: Tensor = self.head(hidden)
        return output


class Opaque(torch.autograd.Function):
    """An operation without a backward pass."""

    @staticmethod
    def forward(_: Any, values: Tensor) -> Tensor:
        return 2 * values


class Doubled(nn.Module):
    """Hides its input from backward passes."""

    def forward(self, values: Tensor) -> Tensor:
        output: Tensor = Opaque.apply(values)  # type: ignore[no-untyped-call]
        return output


class Branching(nn.Module):
    """Control flow that looks at the data."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right, self.head = nn.Linear(4, 6), nn.Linear(4, 6), nn.Linear(6, 5)
        self.scale = nn.Parameter(torch.ones(6))

    def forward(self, inputs: Tensor) -> Tensor:
        rows = [(self.left if bool(row.sum() > 0) else self.right)(row[None]) for row in inputs]
        output: Tensor = self.head(torch.tanh(torch.cat(rows)) * self.scale)
        return output


def attention(*, batch_first: bool, norm_first: bool) -> nn.Module:
    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layer = nn.TransformerEncoderLayer(6, 2, 8, 0.1, batch_first=batch_first, norm_first=norm_first)
            self.encode, self.across = layer, nn.MultiheadAttention(6, 3, batch_first=batch_first)
            self.inner, self.head = nn.Linear(4, 6), nn.Linear(6, 5)

        def forward(self, inputs: Tensor) -> Tensor:
            hidden = self.inner(inputs if batch_first else inputs.transpose(0, 1))
            mask = torch.ones(inputs.shape[1], inputs.shape[1], dtype=torch.bool).triu(1)
            encoded = self.encode(hidden, src_mask=mask)
            mixed, _ = self.across(encoded, hidden, hidden)
            output: Tensor = self.head(mixed.mean(dim=1 if batch_first else 0))
            return output

    return Network()


def perceptron() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 6), nn.LayerNorm(6), nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Linear(6, 5))


def sequence_perceptron() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 6), nn.ReLU(inplace=True), nn.LayerNorm(6), nn.Flatten(), nn.Linear(30, 5))


def convolution(dimensions: int) -> nn.Module:
    layer = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dimensions - 1]
    norm = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)[dimensions - 1]
    network = nn.Sequential(
        layer(2, 4, 3, stride=2, padding=1),
        norm(4),
        nn.ReLU(inplace=True),
        layer(4, 4, 2, groups=2, dilation=2, padding="same", bias=False),
        nn.GroupNorm(2, 4),
        nn.Tanh(),
        layer(4, 4, 3, groups=4, padding=1, padding_mode="circular"),
        nn.Flatten(2),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        nn.Linear(4, 5),
    )
    network[1].running_mean = torch.linspace(-1, 1, 4)
    return network


def rows_of(count: int, *shape: int) -> Tensor:
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(3))


def tokens(count: int) -> Tensor:
    return torch.randint(0, 7, (count, 5), generator=torch.Generator().manual_seed(3))


COVERED: dict[str, tuple[Callable[[], nn.Module], Callable[[int], Tensor]]] = {
    "perceptron": (perceptron, lambda count: rows_of(count, 4)),
    "sequence perceptron": (sequence_perceptron, lambda count: rows_of(count, 5, 4)),
    "convolution 1d": (lambda: convolution(1), lambda count: rows_of(count, 2, 9)),
    "convolution 2d": (lambda: convolution(2), lambda count: rows_of(count, 2, 7, 6)),
    "convolution 3d": (lambda: convolution(3), lambda count: rows_of(count, 2, 5, 6, 4)),
    "reused": (Reused, lambda count: rows_of(count, 4)),
    "low rank": (LowRank, lambda count: rows_of(count, 3, 4)),
    "frames": (Frames, lambda count: rows_of(count, 3, 1, 4, 4)),
    "attention": (lambda: attention(batch_first=True, norm_first=True), lambda count: rows_of(count, 5, 4)),
    "attention, rows second": (
        lambda: attention(batch_first=False, norm_first=False),
        lambda count: rows_of(count, 5, 4),
    ),
}
"""Name -> network with five outputs and inputs; the structured path covers all of their parameters."""
