"""Use cotrain around a training loop of your own: your model, your loaders, your losses.

    python examples/own_loop/loaders.py

Four clinics, so to say, each with patients of its own: data sets over the digits of scikit-learn that ask different
questions of different images. The loop below is a plain one and knows nothing of cotrain; `OwnLoop` lends it to whoever
needs a network: the estimator a base network, the verdict the groups and their alternatives.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import cotrain
from cotrain.affinity import GradTAG
from cotrain.cost import measure
from cotrain.evaluation.judge import judge
from cotrain.problem import Problem, Task
from cotrain.seeding import generator, seeded
from cotrain.training.evaluation import mean_losses
from cotrain.training.fit import Fit
from cotrain.training.trainer import Trainer

QUESTIONS = {
    "even": lambda digit: digit % 2 == 0,
    "round": lambda digit: np.isin(digit, [0, 6, 8, 9]),
    "large": lambda digit: digit > 4,
    "count": lambda digit: digit.astype(np.float32),
}
ROWS = (120, 60, 60)


def data_sets(rows: Sequence[int] = ROWS) -> dict[str, dict[str, TensorDataset]]:
    """Return train, validation and test images of every task: no two tasks share an image."""
    digits = load_digits()
    order = iter(np.random.default_rng(0).permutation(len(digits.data)))
    found = {}
    for name, question in QUESTIONS.items():
        found[name] = {}
        for split, count in zip(("train", "validation", "test"), rows, strict=True):
            chosen = [next(order) for _ in range(count)]
            images = torch.from_numpy(digits.images[chosen][:, None] / 16).float()
            found[name][split] = TensorDataset(images, torch.from_numpy(question(digits.target[chosen])).float())
    return found


class Network(nn.Module):
    """A model like any other: a shared body and a head per task."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 24), nn.ReLU())
        self.heads = nn.ModuleDict({task.name: nn.Linear(24, 1) for task in tasks})

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        features = self.body(images)
        return {name: head(features) for name, head in self.heads.items()}


def loss_of(task: Task, predicted: Tensor, true: Tensor) -> Tensor:
    """Return the loss of a batch of one task; regression targets are standardised, as cotrain compares them."""
    if task.kind == "regression":
        return F.mse_loss(predicted[:, 0], (true - task.center) / task.scale)
    return F.binary_cross_entropy_with_logits(predicted[:, 0], true)


def train(network: Network, tasks: Sequence[Task], loaders: Sequence[DataLoader], epochs: int) -> int:
    """Train as you always did; return the number of steps."""
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    steps = 0
    for _ in range(epochs):
        for batches in zip_longest(*loaders):
            optimizer.zero_grad()
            parts = [(task, batch) for task, batch in zip(tasks, batches, strict=True) if batch is not None]
            losses = [loss_of(task, network(images)[task.name], labels) for task, (images, labels) in parts]
            torch.stack(losses).mean().backward()
            optimizer.step()
            steps += 1
    return steps


class OwnLoop(Trainer):
    """Trains by the loop above wherever cotrain wants a network trained."""

    def __init__(self, problem: Problem, data: dict[str, dict[str, TensorDataset]], epochs: int) -> None:
        super().__init__(problem)
        self.data, self.epochs = data, epochs

    def fit(self, subset: tuple[str, ...], *, seed: int = 0, callbacks: Sequence[object] = ()) -> Fit:
        del callbacks
        tasks = self.problem.tasks_of(subset)
        with seeded(seed, "network"):
            network = Network(tasks)
        loaders = [
            DataLoader(self.data[name]["train"], batch_size=16, shuffle=True, generator=generator(seed, name))
            for name in subset
        ]
        with measure() as meter:
            steps = train(network, tasks, loaders, self.epochs)
        losses = mean_losses(network, tasks, self.problem.rows_of(subset, "validation"))
        curve = np.array([losses.mean()])
        return Fit(subset, seed, network.eval(), losses, curve, steps, converged=True, cost=meter.cost)

    def fit_many(self, jobs: Iterable[tuple[tuple[str, ...], int]]) -> Iterator[Fit]:
        return (self.fit(subset, seed=seed) for subset, seed in jobs)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Groups of tasks, trained by a loop of one's own.")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--networks", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--random-draws", type=int, default=3)
    options = parser.parse_args(arguments)
    data = data_sets()
    problem = Problem.from_datasets(data, build=Network, kinds={"count": "regression"}, name="clinics")
    loop = OwnLoop(problem, data, options.epochs)
    affinity = GradTAG(bases=2).estimate(problem, loop)
    grouping = cotrain.group(affinity, networks=options.networks)
    verdict = judge(loop, grouping, seeds=range(options.seeds), random_draws=options.random_draws).verdict
    print(problem)
    print(grouping)
    print(verdict.arms_frame().round(4).to_string(index=False))
    print(verdict.sentence)


if __name__ == "__main__":
    main()
