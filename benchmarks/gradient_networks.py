"""Networks and rows that ``benchmarks/gradients.py`` takes gradients of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cotrain.problem import Problem, Rows, Task


class Residual(nn.Module):
    """Two convolutions and a shortcut."""

    def __init__(self, inner: int, outer: int, stride: int, norm: Callable[[int], nn.Module]) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv2d(inner, outer, 3, stride, 1, bias=False),
            norm(outer),
            nn.ReLU(inplace=True),
            nn.Conv2d(outer, outer, 3, 1, 1, bias=False),
            norm(outer),
        )
        self.shortcut = nn.Identity() if inner == outer and stride == 1 else nn.Conv2d(inner, outer, 1, stride)

    def forward(self, inputs: Tensor) -> Tensor:
        output: Tensor = self.branch(inputs)
        output += self.shortcut(inputs)
        return output.relu_()


def resnet(norm: Callable[[int], nn.Module]) -> nn.Module:
    blocks = [Residual(16, 32, 1, norm), Residual(32, 64, 2, norm), Residual(64, 128, 2, norm)]
    stem = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), norm(16), nn.ReLU(inplace=True)]
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 1))


class LowRank(nn.Module):
    """A frozen linear layer with a trainable low-rank addition."""

    def __init__(self, base: nn.Linear, rank: int = 8) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down = nn.Linear(base.in_features, rank, bias=False)
        self.up = nn.Linear(rank, base.out_features, bias=False)

    def forward(self, inputs: Tensor) -> Tensor:
        output: Tensor = self.base(inputs) + self.up(self.down(inputs))
        return output


class Block(nn.Module):
    """A transformer block with separate projections."""

    def __init__(self, size: int, heads: int, linear: Callable[[int, int], nn.Module]) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.value, self.key = linear(size, size), linear(size, size), nn.Linear(size, size)
        self.out, self.up, self.down = nn.Linear(size, size), nn.Linear(size, 4 * size), nn.Linear(4 * size, size)
        self.before, self.between = nn.LayerNorm(size), nn.LayerNorm(size)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.before(inputs)
        q, k, v = (
            part(hidden).unflatten(2, (self.heads, -1)).transpose(1, 2) for part in (self.query, self.key, self.value)
        )
        mixed = nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        hidden = inputs + self.out(mixed)
        output: Tensor = hidden + self.down(nn.functional.gelu(self.up(self.between(hidden))))
        return output


class Transformer(nn.Module):
    """Tokens, four blocks, mean, one output."""

    def __init__(self, *, low_rank: bool, size: int = 256) -> None:
        super().__init__()

        def adapted(inner: int, outer: int) -> nn.Module:
            return LowRank(nn.Linear(inner, outer)) if low_rank else nn.Linear(inner, outer)

        self.table = nn.Embedding(500, size)
        self.blocks = nn.Sequential(*[Block(size, 4, adapted) for _ in range(4)])
        self.head = nn.Linear(size, 1)
        if low_rank:
            self.requires_grad_(False)
            for module in self.modules():
                if isinstance(module, LowRank):
                    module.down.requires_grad_()
                    module.up.requires_grad_()

    def forward(self, codes: Tensor) -> Tensor:
        output: Tensor = self.head(self.blocks(self.table(codes)).mean(dim=1))
        return output


def perceptron(inputs: int, width: int, outputs: int, depth: int = 3) -> nn.Module:
    layers: list[nn.Module] = []
    for _ in range(depth):
        layers += [nn.Linear(inputs, width), nn.ReLU()]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, outputs))


@dataclass(frozen=True)
class Case:
    """A network, rows for it, and what a loop over single rows would take at a time."""

    build: Callable[[], nn.Module]
    inputs: Callable[[int], Tensor]
    rows: int
    outputs: int
    training_batch: int
    loop_batch: int
    dimension: int = 200
    target_loop: float | None = None
    target_floor: float | None = None


def group_norm(channels: int) -> nn.Module:
    return nn.GroupNorm(8, channels)


def images(rows: int) -> Tensor:
    return torch.nn.functional.interpolate(torch.randn(rows, 3, 8, 8), size=32, mode="bilinear")


def texts(rows: int) -> Tensor:
    return torch.randint(0, 500, (rows, 64))


def table(columns: int) -> Callable[[int], Tensor]:
    return lambda rows: torch.randn(rows, columns)


CASES: dict[str, Case] = {
    "MLP 3x256": Case(lambda: perceptron(512, 256, 1), table(512), 4096, 1, 128, 1000, 200, 500, 1.6),
    "MLP 3x256, 100 outputs": Case(lambda: perceptron(512, 256, 100), table(512), 1024, 100, 128, 1000, 200, 1000, 45),
    "MLP 10M, d = 400": Case(lambda: perceptron(512, 2048, 1), table(512), 512, 1, 128, 32, 400),
    "ResNet, GroupNorm": Case(lambda: resnet(group_norm), images, 96, 1, 32, 8, 200, 12, 1.5),
    "ResNet, BatchNorm in eval": Case(lambda: resnet(nn.BatchNorm2d), images, 96, 1, 32, 8, 200, 12, 1.5),
    "LoRA on a transformer": Case(lambda: Transformer(low_rank=True), texts, 48, 1, 16, 8, 200, 7, 1.15),
    "transformer": Case(lambda: Transformer(low_rank=False), texts, 48, 1, 16, 32, 200, 30, 1.15),
}
"""What is measured, with the targets where there are some: times faster than the loop, times the floor."""
FORWARD = Case(lambda: perceptron(512, 256, 500), table(512), 512, 500, 128, 1000, 100)
"""Tasks that far outnumber coordinates."""


POOL = 480
"""Rows that bases are made of, at least."""


def problem_of(case: Case) -> tuple[Problem, nn.Module, Rows]:
    """Return a problem to make bases of, a network, and the rows that are timed."""
    torch.manual_seed(0)
    count = max(case.rows, POOL)
    network, inputs = case.build().eval(), case.inputs(count)
    rows = Rows(inputs, (torch.rand(count, case.outputs) > 0.5).float())
    tasks = tuple(Task(f"{number:03}") for number in range(case.outputs))
    splits = dict.fromkeys(("train", "validation", "test"), rows)
    return Problem(tasks, splits, lambda _: network), network, rows.take(torch.arange(case.rows))


def training_loss(network: nn.Module, rows: Rows) -> Tensor:
    return nn.functional.binary_cross_entropy_with_logits(network(rows.inputs), rows.targets)


def flat(gradients: tuple[Any, ...]) -> Tensor:
    return torch.cat([gradient.flatten() for gradient in gradients])
