"""Ways to train the tasks of a problem together, under one protocol: test loss against all-in-one, and FLOPs.

Run ``python benchmarks/training.py FOLDER [NAMES]`` with the folder that holds ``multilabel/yeast.npz``,
``multitarget/rf1.npz`` and ``classic/landmine.npz``; it writes ``benchmarks/results/training.json`` and
``training.md``, keeping what other runs wrote of other data. Every arm gets the same network, options and budget: two
learning rates, the better one by the first seed's validation loss, then the other seeds with that one. Figures are
relative gains of the mean test loss over all-in-one, paired over seeds, with 95 % intervals. FLOPs are those of one
training.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import cotrain
from cotrain.evaluation.intervals import t_interval
from cotrain.problem import NetworkOptions, Problem, TrainingOptions
from cotrain.training.evaluation import mean_losses
from cotrain.training.one_shot.dmtg import DifferentiableGrouping
from cotrain.training.one_shot.search import SearchOptions
from cotrain.training.soft_sharing.cross_learning import CrossLearning
from cotrain.training.trainer import Trainer

RESULTS = Path(__file__).parent / "results"
SETS = {"yeast": "multilabel/yeast.npz", "rf1": "multitarget/rf1.npz", "landmine": "classic/landmine.npz"}
RATES = (1e-3, 3e-3)
SEEDS, TUNING_SEEDS, NETWORKS = 5, 1, 3
TRAINING = TrainingOptions(epochs=15, patience=4, batch_size=256)
AGGREGATIONS = ("pcgrad", "wpcgrad", "cagrad", "upgrad", "mgda", "imtl-g", "aligned-mtl", "bayes-agg", "selective")
WEIGHTINGS = ("uncertainty", "dwa", "gradnorm", "random")


@dataclass(frozen=True)
class Trained:
    """One training of an arm: mean validation and test loss over tasks, FLOPs, networks deployed."""

    validation: float
    test: float
    flops: float
    networks: int


Arm = Callable[[Trainer, int], Trained]


def alone(trainer: Trainer, groups: Sequence[Sequence[str]], seed: int) -> Trained:
    """Train groups as they are given, each task served by its own."""
    fits = list(trainer.fit_many([(tuple(sorted(group)), seed) for group in groups]))
    tests = [trainer.evaluate(fit, "test").loss for fit in fits]
    validation = float(np.nanmean(np.concatenate([fit.validation_loss for fit in fits])))
    flops = sum(fit.cost.flops for fit in fits)
    return Trained(validation, float(np.nanmean(np.concatenate(tests))), flops, len(groups))


def one_network(trainer: Trainer, seed: int) -> Trained:
    return alone(trainer, [trainer.problem.names], seed)


def with_options(**options: Any) -> Arm:
    def train(trainer: Trainer, seed: int) -> Trained:
        problem = trainer.problem
        return one_network(Trainer(replace(problem, training=replace(problem.training, **options))), seed)

    return train


def per_task(trainer: Trainer, seed: int) -> Trained:
    return alone(trainer, [(name,) for name in trainer.problem.names], seed)


def estimated(problem: Problem) -> Arm:
    """Return the arm of one grouping, estimated when first needed; its cost is not the training's."""
    grouping = cache(lambda: cotrain.group(cotrain.estimate(problem), networks=NETWORKS))
    return lambda trainer, seed: alone(trainer, grouping().groups, seed)


def one_shot(trainer: Trainer, seed: int) -> Trained:
    epochs = trainer.problem.training.epochs
    method = DifferentiableGrouping(NETWORKS, search=SearchOptions(epochs=epochs, warmup=epochs // 5))
    return judged(trainer, method.fit(trainer, seed=seed).fit, NETWORKS)


def cross(radius: float) -> Arm:
    return lambda trainer, seed: judged(
        trainer, CrossLearning(radius).fit(trainer, trainer.problem.names, seed=seed), len(trainer.problem.names)
    )


def judged(trainer: Trainer, fit: Any, networks: int) -> Trained:
    problem = trainer.problem
    tasks, rows = problem.tasks_of(fit.subset), problem.rows_of(fit.subset, "test")
    test = float(np.nanmean(mean_losses(fit.network, tasks, rows)))
    return Trained(float(np.nanmean(fit.validation_loss)), test, fit.cost.flops, networks)


def arms_of(problem: Problem) -> Mapping[str, Arm]:
    arms: dict[str, Arm] = {"all-in-one": one_network, "one per task": per_task}
    arms |= {f"all-in-one, {name}": with_options(aggregation=name) for name in AGGREGATIONS}
    arms |= {f"all-in-one, {name}": with_options(weighting=name) for name in WEIGHTINGS}
    arms["DMTG"] = one_shot
    arms["cross-learning, radius 1"] = cross(1.0)
    arms["Grad-TAG groups"] = estimated(problem)
    return arms


def compare(path: Path) -> Iterator[dict[str, Any]]:
    problem = Problem.from_npz(path, network=NetworkOptions(hidden=(32,)), training=TRAINING)
    tuned = {rate: Trainer(replace(problem, training=replace(TRAINING, learning_rate=rate))) for rate in RATES}
    baseline = np.zeros(SEEDS)
    for name, arm in arms_of(problem).items():
        start = time.process_time()
        tried = {rate: [arm(trainer, seed) for seed in range(TUNING_SEEDS)] for rate, trainer in tuned.items()}
        rate = min(tried, key=lambda own: float(np.mean([one.validation for one in tried[own]])))
        runs = tried[rate] + [arm(tuned[rate], seed) for seed in range(TUNING_SEEDS, SEEDS)]
        losses = np.array([one.test for one in runs])
        baseline = losses if name == "all-in-one" else baseline
        yield line(name, path.stem, rate, runs, 1 - losses / baseline, time.process_time() - start)


def line(
    name: str, data: str, rate: float, runs: Sequence[Trained], gains: NDArray[np.float64], seconds: float
) -> dict[str, Any]:
    mean, half = t_interval(gains)
    return {
        "data": data,
        "arm": name,
        "learning_rate": rate,
        "test_loss": float(np.mean([one.test for one in runs])),
        "gain": float(mean),
        "low": float(mean - half),
        "high": float(mean + half),
        "flops": float(np.mean([one.flops for one in runs])),
        "networks": runs[0].networks,
        "seconds": round(seconds, 1),
    }


def markdown(lines: Sequence[Mapping[str, Any]]) -> str:
    text = [
        "# Ways to train tasks together",
        "",
        f"One hidden layer of 32, at most {TRAINING.epochs} epochs, patience {TRAINING.patience}, batches of",
        f"{TRAINING.batch_size}; {SEEDS} seeds; every arm tries learning rates {RATES} on {TUNING_SEEDS} seed. Gain of",
        "the mean test loss over all-in-one, paired over seeds, with its 95 % interval: positive is better.",
        "Written by `python benchmarks/training.py FOLDER`.",
        "",
    ]
    for data in dict.fromkeys(one["data"] for one in lines):
        text += [f"## {data}", "", "| arm | networks | rate | test loss | gain % | interval % | GFLOPs | CPU seconds |"]
        text += ["|---|---|---|---|---|---|---|---|"]
        for one in (each for each in lines if each["data"] == data):
            gain = f"{100 * one['gain']:.2f} | {100 * one['low']:.2f} to {100 * one['high']:.2f}"
            rest = f"{one['flops'] / 1e9:.2f} | {one['seconds']:.0f}"
            cells = f"{one['networks']} | {one['learning_rate']} | {one['test_loss']:.4f}"
            text.append(f"| {one['arm']} | {cells} | {gain} | {rest} |")
        text.append("")
    return "\n".join(text)


def main(folder: Path, names: Sequence[str]) -> None:
    torch.set_num_threads(1)
    path = RESULTS / "training.json"
    kept = json.loads(path.read_text())["lines"] if path.exists() else []
    lines = [one for one in kept if one["data"] not in names]
    RESULTS.mkdir(exist_ok=True)
    for name in names:
        for one in compare(folder / SETS[name]):
            print(one, flush=True)
            lines.append(one)
            path.write_text(json.dumps({"lines": lines, "torch": torch.__version__}, indent=2) + "\n")
            (RESULTS / "training.md").write_text(markdown(lines))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or tuple(SETS))
