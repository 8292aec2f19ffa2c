"""Find out which pixel-wise tasks should share a convolutional network.

    python examples/vision/pixels.py

The images are the digits that ship with scikit-learn, with noise and an erased block. Six tasks look at every pixel: is
it part of the stroke, or of its border; what was its brightness before the noise, and after a blur; which digit is it
part of, and is it left of the digit's centre. The last two have labels on strokes only, and a third of the images has
no brightness at all: masks, pixel by pixel and image by image.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from sklearn.datasets import load_digits
from torch import Tensor, nn

import cotrain
from cotrain.affinity import GradTAG
from cotrain.problem import Problem, Task, margin_of_loss

PixelLoss = Callable[[Tensor, Tensor], Tensor]


def logistic(maps: Tensor, true: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(maps[:, 0], true, reduction="none")


def square(maps: Tensor, true: Tensor) -> Tensor:
    return (maps[:, 0] - true).square()


def cross_entropy(maps: Tensor, true: Tensor) -> Tensor:
    return F.cross_entropy(maps, true.long(), reduction="none")


LOSSES: Mapping[str, tuple[int, PixelLoss]] = {
    "stroke": (1, logistic),
    "border": (1, logistic),
    "bright": (1, square),
    "blur": (1, square),
    "digit": (10, cross_entropy),
    "left": (1, logistic),
}
"""Channels of every decoder, and its loss per pixel."""


class DenseNetwork(nn.Module):
    """Shared convolutions and one decoder per task.

    Pixel-wise truth comes in with the inputs, since a row has many labels: the network turns the mean loss of a row's
    labelled pixels into the margin that tasks of kind ``"sequence"`` expect.
    """

    def __init__(self, tasks: Sequence[Task], width: int = 16) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for channels in (1, width):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.GroupNorm(4, width), nn.ReLU()]
        self.trunk = nn.Sequential(*layers)
        self.decoders = nn.ModuleDict(
            {task.name: nn.Conv2d(width, LOSSES[task.name][0], 3, padding=1) for task in tasks}
        )

    def maps(self, images: Tensor) -> dict[str, Tensor]:
        """Return what the decoders draw: this is what a deployed network is used for."""
        features = self.trunk(images)
        return {name: decoder(features) for name, decoder in self.decoders.items()}

    def forward(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        margins = {}
        for name, maps in self.maps(inputs["image"]).items():
            losses = LOSSES[name][1](maps, inputs[name]) * inputs[f"{name} mask"]
            pixels = inputs[f"{name} mask"].sum(dim=(1, 2)).clamp_min(1)
            margins[name] = margin_of_loss(losses.sum(dim=(1, 2)) / pixels)[:, None]
        return margins


def scenes(rows: int, seed: int = 0) -> tuple[dict[str, Tensor], Tensor]:
    """Return images with their truth and masks, and for every image and task whether it counts."""
    draw = np.random.default_rng(seed)
    digits = load_digits()
    chosen = draw.permutation(len(digits.images))[:rows]
    clean, code = digits.images[chosen] / 16, digits.target[chosen]
    noisy = clean + draw.normal(scale=0.3, size=clean.shape)
    for image, top, left in zip(noisy, *draw.integers(0, 6, size=(2, rows)), strict=True):
        image[top : top + 3, left : left + 3] = 0
    truth = _truth(clean, code)
    stroke = truth["stroke"] > 0
    masks = {name: stroke if name in {"digit", "left"} else np.ones_like(stroke) for name in LOSSES}
    inputs = {"image": noisy[:, None], **truth, **{f"{name} mask": mask for name, mask in masks.items()}}
    targets = np.ones((rows, len(LOSSES)))
    targets[np.ix_(draw.permutation(rows)[: rows // 3], [list(LOSSES).index("bright")])] = np.nan
    return {
        name: torch.from_numpy(np.asarray(part, dtype=np.float32)) for name, part in inputs.items()
    }, torch.from_numpy(targets)


def _truth(clean: np.ndarray, code: np.ndarray) -> dict[str, np.ndarray]:
    stroke = clean > 0.4
    around = np.pad(stroke, ((0, 0), (1, 1), (1, 1)))
    inside = around[:, :-2, 1:-1] & around[:, 2:, 1:-1] & around[:, 1:-1, :-2] & around[:, 1:-1, 2:]
    smooth = F.avg_pool2d(torch.from_numpy(clean)[:, None], 3, stride=1, padding=1)[:, 0].numpy()
    columns = np.arange(8)[None, None, :]
    centre = (stroke * columns).sum(axis=(1, 2), keepdims=True) / stroke.sum(axis=(1, 2), keepdims=True).clip(1)
    return {
        "stroke": stroke,
        "border": stroke & ~inside,
        "bright": (clean - clean.mean()) / clean.std(),
        "blur": (smooth - smooth.mean()) / smooth.std(),
        "digit": np.broadcast_to(code[:, None, None], clean.shape),
        "left": np.broadcast_to(columns < centre, clean.shape),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Groups of pixel-wise tasks.")
    parser.add_argument("--rows", type=int, default=900)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--networks", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--random-draws", type=int, default=3)
    parser.add_argument("--bases", type=int, default=2)
    options = parser.parse_args(arguments)
    tasks = [Task(name, "sequence", metric="loss") for name in LOSSES]
    training = {"epochs": options.epochs, "batch_size": 64}
    problem = Problem.from_module(DenseNetwork, tasks, scenes(options.rows), training=training, name="pixels")
    affinity = cotrain.estimate(problem, method=GradTAG(bases=options.bases))
    grouping = cotrain.group(affinity, networks=options.networks)
    trained = cotrain.train(
        problem, grouping, seeds=options.seeds, random_draws=options.random_draws, estimate=affinity
    )
    print(problem)
    print(trained.grouping)
    print(trained.verdict.arms_frame().round(4).to_string(index=False))
    print(trained.verdict.sentence)


if __name__ == "__main__":
    main()
