"""Ways to train the tasks of a problem together, under one protocol: gains over all-in-one, and FLOPs.

    python benchmarks/training.py WORK                 # all, about an hour on one core
    python benchmarks/training.py WORK --only rf1      # one data set; the table holds all that WORK holds

Every training is kept in ``WORK/NAME.json`` as soon as it is done, so that a killed run goes on. The table is written
to ``benchmarks/results/training.json`` and ``training.md``. Every arm gets the same network, options and tuning budget:
three learning rates with the first seed, the best by validation loss, then the other seeds with that one.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torchjd.aggregation import NashMTL
from truth import problem_of, thinned

import cotrain
from cotrain.evaluation.intervals import t_interval
from cotrain.files import write_atomically
from cotrain.grouping.grouping import Grouping
from cotrain.problem.options import AGGREGATIONS, TrainingOptions
from cotrain.problem.problem import Problem
from cotrain.training.evaluation import mean_losses
from cotrain.training.fit import Fit
from cotrain.training.one_shot.dmtg import DifferentiableGrouping
from cotrain.training.one_shot.search import SearchOptions
from cotrain.training.soft_sharing.cross_learning import CrossLearning
from cotrain.training.trainer import Trainer

RESULTS = Path(__file__).parent / "results"
SETS = ("rf1", "tox21", "yeast")
SHARES = {"rf1": 4, "yeast": 4}
"""Of a data set's training rows one in so many is used; truth.py takes a fifth of tox21's."""
RATES = (1e-3, 3e-3, 1e-2)
SEEDS, NETWORKS = 5, 3
TRAINING = TrainingOptions(epochs=50, patience=10)
NASH_STEPS = 20
"""Steps between two solutions of Nash-MTL, each of which takes a tenth of a second."""
WEIGHTINGS = ("uncertainty", "dwa", "gradnorm", "random")
ESTIMATES = ("calibrated", "grad-tag", "tag")
BASELINE = "all-in-one"


@dataclass(frozen=True)
class Trained:
    """One training of an arm.

    ``validation`` is its mean loss, ``test`` the loss of each task; ``flops`` are those of the training, ``before``
    those of what chose the groups.
    """

    validation: float
    test: tuple[float, ...]
    flops: float
    networks: int
    before: float = 0.0


Arm = Callable[[Trainer, int], Trained]


def grouped(trainer: Trainer, grouping: Grouping, seed: int) -> Trained:
    """Train groups as they are, each task judged on the network that serves it."""
    fits = list(trainer.fit_many([(group, seed) for group in grouping.groups]))
    tests = [trainer.evaluate(fit, "test").loss for fit in fits]
    places = [(at, grouping.groups[at].index(name)) for name, at in sorted(grouping.serving.items())]
    validation = float(np.nanmean([fits[at].validation_loss[place] for at, place in places]))
    test = tuple(float(tests[at][place]) for at, place in places)
    return Trained(validation, test, sum(fit.cost.flops for fit in fits), len(fits))


def one_network(trainer: Trainer, seed: int) -> Trained:
    return grouped(trainer, Grouping.from_groups([trainer.problem.names]), seed)


def per_task(trainer: Trainer, seed: int) -> Trained:
    return grouped(trainer, Grouping.from_groups([[name] for name in trainer.problem.names]), seed)


def with_options(**options: Any) -> Arm:
    def train(trainer: Trainer, seed: int) -> Trained:
        problem = trainer.problem
        return one_network(Trainer(replace(problem, training=replace(problem.training, **options))), seed)

    return train


def estimated(problem: Problem, method: str) -> Arm:
    """Return the arm whose groups are estimated, anew for each seed and at the default learning rate."""

    @cache
    def groups(seed: int) -> tuple[Grouping, float]:
        affinity = cotrain.estimate(problem, method=method, seed=seed)
        return cotrain.group(affinity, networks=NETWORKS), affinity.cost.flops

    def train(trainer: Trainer, seed: int) -> Trained:
        grouping, flops = groups(seed)
        return replace(grouped(trainer, grouping, seed), before=flops)

    return train


def one_shot(trainer: Trainer, seed: int) -> Trained:
    method = DifferentiableGrouping(NETWORKS, search=SearchOptions(epochs=trainer.problem.training.epochs))
    return judged(trainer, method.fit(trainer, seed=seed).fit, NETWORKS)


def cross_learning(trainer: Trainer, seed: int) -> Trained:
    names = trainer.problem.names
    return judged(trainer, CrossLearning(radius=1.0).fit(trainer, names, seed=seed), len(names))


def judged(trainer: Trainer, fit: Fit, networks: int) -> Trained:
    problem = trainer.problem
    test = mean_losses(fit.network, problem.tasks_of(fit.subset), problem.rows_of(fit.subset, "test"))
    return Trained(float(np.nanmean(fit.validation_loss)), tuple(test.tolist()), fit.cost.flops, networks)


def arms_of(problem: Problem) -> Mapping[str, Arm]:
    arms: dict[str, Arm] = {BASELINE: one_network, "one per task": per_task}
    arms |= {"DMTG": one_shot, "cross-learning": cross_learning}
    arms |= {f"weights: {name}": with_options(weighting=name) for name in WEIGHTINGS}
    arms |= {f"gradients: {name}": with_options(aggregation=name) for name in AGGREGATIONS if name != "mean"}
    arms["gradients: nash-mtl"] = with_options(aggregation=NashMTL(len(problem.names), update_weights_every=NASH_STEPS))
    return arms | {f"groups: {method}": estimated(problem, method) for method in ESTIMATES}


class Kept:
    """Finished trainings of one data set, in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}

    def train(self, arm: str, train: Arm, problem: Problem, rate: float, seed: int) -> tuple[Trained, float]:
        """Return a training and its CPU seconds, from the file if it is there."""
        key = f"{arm}, rate {rate}, seed {seed}"
        if key not in self._found:
            start = time.process_time()
            tuned = replace(problem, training=replace(problem.training, learning_rate=rate))
            trained = train(Trainer(tuned), seed)
            self._found[key] = {**asdict(trained), "seconds": time.process_time() - start}
            write_atomically(self._path, lambda stream: stream.write(json.dumps(self._found, indent=1).encode()))
        fields = dict(self._found[key])
        seconds = fields.pop("seconds")
        return Trained(**{**fields, "test": tuple(fields["test"])}), seconds


def compare(name: str, work: Path) -> Iterator[dict[str, Any]]:
    problem = replace(thinned(problem_of(name), SHARES.get(name, 1)), training=TRAINING)
    kept, baseline = Kept(work / f"{name}.json"), np.zeros(())
    for arm, train in arms_of(problem).items():
        tried = {rate: kept.train(arm, train, problem, rate, 0) for rate in RATES}
        rate = min(tried, key=lambda each: tried[each][0].validation)
        runs = [tried[rate], *(kept.train(arm, train, problem, rate, seed) for seed in range(1, SEEDS))]
        losses = np.array([trained.test for trained, _ in runs])
        baseline = losses if arm == BASELINE else baseline
        yield line(name, arm, rate, runs, np.nanmean(1 - losses / baseline, axis=1))


def line(
    data: str, arm: str, rate: float, runs: Sequence[tuple[Trained, float]], gains: NDArray[np.float64]
) -> dict[str, Any]:
    (mean, half), trained = t_interval(gains), [each for each, _ in runs]
    return {
        "data": data,
        "arm": arm,
        "rate": rate,
        "networks": float(np.mean([each.networks for each in trained])),
        "gain": float(mean),
        "low": float(mean - half),
        "high": float(mean + half),
        "test_loss": float(np.nanmean([each.test for each in trained])),
        "flops": float(np.mean([each.flops for each in trained])),
        "before": float(np.mean([each.before for each in trained])),
        "seconds": float(np.mean([seconds for _, seconds in runs])),
    }


def verdict(one: Mapping[str, Any]) -> str:
    """Say whether the interval leaves zero out, and on which side."""
    return "better" if one["low"] > 0 else "worse" if one["high"] < 0 else ""


def markdown(lines: Sequence[Mapping[str, Any]]) -> str:
    text = [
        "# Ways to train tasks together",
        "",
        f"cotrain's default network, at most {TRAINING.epochs} epochs, patience {TRAINING.patience}, batches of",
        f"{TRAINING.batch_size}. Every arm tries the learning rates {', '.join(map(str, RATES))} with one seed, takes",
        f"the best by validation loss, and trains {SEEDS} seeds. Gain: mean over tasks of `1 - loss / loss of",
        "all-in-one` on test rows, paired over seeds, with its 95 % interval; splits are the same for all seeds. One",
        "interval in twenty leaves zero out by chance. GFLOPs of one training, and of what chose the groups before it.",
        f"Groups: at most {NETWORKS}, estimated anew for each seed, which the seconds of the first learning rate hold.",
        f"Nash-MTL solves for its weights every {NASH_STEPS} steps.",
        f"Written by `python benchmarks/training.py WORK`; torch {torch.__version__}, one thread.",
        "",
    ]
    for data in dict.fromkeys(one["data"] for one in lines):
        text += [f"## {data}", "", "| arm | networks | rate | gain % | interval % | | GFLOPs | before | CPU seconds |"]
        text += ["|---|---|---|---|---|---|---|---|---|", *map(row, (one for one in lines if one["data"] == data)), ""]
    return "\n".join(text)


def row(one: Mapping[str, Any]) -> str:
    gain, low, high = (f"{100 * one[part]:.1f}" for part in ("gain", "low", "high"))
    cost = f"{one['flops'] / 1e9:.1f} | {one['before'] / 1e9:.1f} | {one['seconds']:.1f}"
    cells = (one["arm"], f"{one['networks']:g}", one["rate"], gain, f"{low} to {high}", verdict(one), cost)
    return f"| {' | '.join(map(str, cells))} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--only", nargs="*", choices=SETS, default=list(SETS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.work.mkdir(parents=True, exist_ok=True)
    path = RESULTS / "training.json"
    lines = json.loads(path.read_text())["lines"] if path.exists() else []
    for name in arguments.only:
        lines = [each for each in lines if each["data"] != name]
        for one in compare(name, arguments.work):
            print(name, row(one), flush=True)
            lines = sorted([*lines, one], key=lambda each: each["data"])
            path.write_text(json.dumps({"lines": lines, "torch": torch.__version__}, indent=2) + "\n")
            (RESULTS / "training.md").write_text(markdown(lines))


if __name__ == "__main__":
    main()
