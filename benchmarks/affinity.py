"""The leaderboard: every estimator against measured truth, accuracy beside cost, nulls and noise ceiling.

    python benchmarks/truth.py ../truth                       # once: measured losses of seven data sets
    python benchmarks/affinity.py ../truth                    # all data sets there, all estimators, three seeds
    python benchmarks/affinity.py ../truth --only rf1 --seeds 0

Writes ``results/affinity.json`` (rows are replaced, others kept), from which ``docs/leaderboard.md`` and its plot are
made; ``--only`` without names makes just these. Truth has seeds of its own (100 and on); estimates see training and
validation rows only.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from truth import FILES, problem_of

from cotrain.affinity import (
    ESTIMATORS,
    Affinity,
    Calibrated,
    Estimator,
    GradientCosine,
    MeasuredPairs,
    MeasuredSubsets,
    SampleWiseLandscape,
)
from cotrain.affinity.subset_losses import SubsetLosses
from cotrain.evaluation.regret import true_gains
from cotrain.evaluation.scores import evaluate
from cotrain.evaluation.truth import read_truth
from cotrain.training.trainer import Trainer

mpl.use("Agg")
RESULTS = Path(__file__).parent / "results"
DOCS = Path(__file__).parents[1] / "docs"
BUDGETS = (1, 2, 3, 4, 5)
SHORT = MeasuredSubsets(fidelity=0.1, surrogate="none")
VARIANTS: dict[str, Estimator] = {
    "calibrated + cosine": Calibrated(scores=(GradientCosine(seeds=1),)),
    "calibrated + short runs": Calibrated(scores=(SHORT,)),
    "short runs": SHORT,
    "landscape, fitted heads": SampleWiseLandscape(heads="fitted"),
    "ridge on 50 subsets": MeasuredSubsets(subsets=50, surrogate="ridge"),
    "kernel on 50 subsets": MeasuredSubsets(subsets=50, surrogate="kernel"),
}
NULLS = ("base loss", "task mean", "size only")


@dataclass(frozen=True)
class Row:
    """One predictor on one data set, one seed; correlations are within tasks across subsets of three tasks or more.

    ``flops`` is the cost; ``gain`` the mean over one to five networks of the measured test gain of the networks it
    chooses among the measured ones.
    """

    data: str
    predictor: str
    seed: int
    pearson: float = math.nan
    spearman: float = math.nan
    beyond_size: float = math.nan
    validation_pearson: float = math.nan
    sign: float = math.nan
    gain: float = math.nan
    validation_coverage: float = math.nan
    coverage: float = math.nan
    flops: float = math.nan
    seconds: float = 0.0


def rows_of(name: str, folder: Path, seeds: list[int], methods: Mapping[str, Estimator]) -> Iterator[Row]:
    """Estimate with every method and seed, and score on one data set."""
    problem = problem_of(name)
    validation, test = (read_truth(folder / f"{name}.npz", split=split) for split in ("validation", "test"))
    for method, estimator in methods.items():
        for seed in seeds:
            affinity = estimator.estimate(problem, Trainer(problem), seed=seed)
            print(name, method, seed, affinity, f"{affinity.cost.seconds:.1f} s", flush=True)
            yield _row(name, method, seed, affinity, (validation, test), affinity.cost.flops)


def null_rows(name: str, folder: Path) -> Iterator[Row]:
    """Score the nulls, which know the truth's own means, and what measuring on validation rows itself tells."""
    validation, test = (read_truth(folder / f"{name}.npz", split=split) for split in ("validation", "test"))
    blank = Affinity.from_matrix(test.tasks, np.zeros((len(test.tasks), len(test.tasks))))
    on_test, on_validation = evaluate(blank, test), evaluate(blank, validation)
    best = float(np.nanmean(true_gains(test.gain(), test, BUDGETS)))
    for score, other in zip(on_test.scores[1:], on_validation.scores[1:], strict=True):
        yield Row(
            name, score.predictor, 0, score.pearson, score.spearman, score.beyond_size, other.pearson, score.sign,
            best - score.regret, flops=0.0,
        )  # fmt: skip
    measured = Affinity(blank.tasks, blank.matrix, blank.standard_error, blank.counts, subset_losses=validation)
    row = _row(name, "measured on validation rows", 0, measured, (validation, test), math.nan)
    yield replace(row, validation_pearson=math.nan, validation_coverage=math.nan)
    gain = test.gain()
    for label, mask in (("all-in-one", test.mask.all(axis=1)), ("one per task", test.sizes == 1)):
        yield Row(name, label, 0, gain=float(np.nanmean(gain[mask])), flops=0.0)
    yield Row(name, "best measured", 0, gain=best)
    yield Row(name, "noise ceiling", 0, pearson=on_test.ceiling, validation_pearson=on_validation.ceiling)


def _row(
    name: str, method: str, seed: int, affinity: Affinity, truth: tuple[SubsetLosses, SubsetLosses], flops: float
) -> Row:
    validation, test = truth
    score, other = evaluate(affinity, test, budgets=BUDGETS), evaluate(affinity, validation, budgets=BUDGETS)
    mine = score.scores[0]
    gain = float(np.nanmean(true_gains(affinity.predict(test.mask).gain, test, BUDGETS)))
    return Row(
        name, method, seed, mine.pearson, mine.spearman, mine.beyond_size, other.scores[0].pearson, mine.sign, gain,
        other.coverage, score.coverage, flops, affinity.cost.seconds,
    )  # fmt: skip


def write(rows: list[dict[str, Any]]) -> None:
    """Write the page and its plot from all rows."""
    frame = _with_shares(pd.DataFrame(rows))
    mean = frame.groupby(["data", "predictor"], sort=False).mean(numeric_only=True).drop(columns="seed").reset_index()
    everywhere = mean.groupby("predictor")["data"].transform("nunique") == mean["data"].nunique()
    overall = mean[everywhere].groupby("predictor", sort=False).mean(numeric_only=True).reset_index()
    overall.insert(0, "data", f"mean of {mean['data'].nunique()}")
    text = [f"# Leaderboard\n\n{_INTRODUCTION}"]
    for name, part in pd.concat([overall, mean]).groupby("data", sort=False):
        ranked = part.drop(columns="data").sort_values("validation_pearson", ascending=False)
        text.append(f"\n## {name}\n\n{_table(ranked)}")
    (DOCS / "leaderboard.md").write_text("\n".join(text) + "\n")
    _plot(overall)


def _with_shares(frame: pd.DataFrame) -> pd.DataFrame:
    """Put in place of FLOPs their share of those of all pairs with eight seeds."""
    pairs = frame[frame["predictor"] == MeasuredPairs.name].groupby("data")["flops"].mean()
    place = frame.columns.get_loc("flops")
    frame.insert(place, "share", frame["flops"] / (8 * frame["data"].map(pairs)))
    return frame.drop(columns="flops")


def _table(frame: pd.DataFrame) -> str:
    lines = [[str(name) for name in frame.columns], ["---"] * len(frame.columns)]
    lines += [[_cell(value) for value in row] for row in frame.itertuples(index=False)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else "" if np.isnan(value) else f"{value:.3f}"


_INTRODUCTION = """Made by `python benchmarks/affinity.py ../truth`; truth by `python benchmarks/truth.py ../truth`.

Correlations are within each task, across measured subsets of three tasks or more, on test rows (`validation_pearson`:
on validation rows, seeds of the truth's own). `gain`: test gain of the networks chosen, mean over one to five networks.
`validation_coverage`, `coverage`: share of measured gains on validation and on test rows within 95 % intervals.
`share`: FLOPs as a share of training every task and every pair with eight seeds. Nulls know the truth's own means; the
estimates do not. Empty: it does not vary within a task, or is not known.

![Correlation against cost](leaderboard.png)"""


_CROWDED = 0.02
"""Cost from which labels stand on either side in turn."""


def _plot(overall: pd.DataFrame) -> None:
    from matplotlib import pyplot as plt

    shown = overall[(overall["share"] > 0) & overall["validation_pearson"].notna()]
    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    axes.scatter(shown["share"], shown["validation_pearson"], color="#1f5f8b")
    for number, (_, row) in enumerate(shown.sort_values("validation_pearson").iterrows()):
        left = number % 2 == 0 and row["share"] > _CROWDED
        axes.annotate(
            row["predictor"], (row["share"], row["validation_pearson"]), xytext=(-5 if left else 5, -3),
            textcoords="offset points", ha="right" if left else "left",
        )  # fmt: skip
    axes.axvline(0.1, color="grey", linestyle=":", label="a tenth of measuring all pairs")
    axes.set(xlim=(shown["share"].min() / 2, 2.0))
    axes.set(xscale="log", xlabel="cost: share of training all pairs, eight seeds", ylabel="correlation within tasks")
    axes.axhline(0.0, color="black", linewidth=0.5)
    axes.legend()
    figure.savefig(DOCS / "leaderboard.png", dpi=120)


def main() -> None:
    """Score what was asked for and write everything known so far."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("truth", type=Path)
    parser.add_argument("--only", nargs="*", choices=FILES, default=list(FILES))
    parser.add_argument("--methods", nargs="*", default=[*ESTIMATORS, *VARIANTS])
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    arguments = parser.parse_args()
    every = {**{name: make() for name, make in ESTIMATORS.items()}, **VARIANTS}
    methods = {name: every[name] for name in arguments.methods}
    path = RESULTS / "affinity.json"
    rows = json.loads(path.read_text()) if path.exists() else []
    for name in arguments.only:
        if not (arguments.truth / f"{name}.npz").exists():
            continue
        for row in chain(null_rows(name, arguments.truth), rows_of(name, arguments.truth, arguments.seeds, methods)):
            key = (name, row.predictor, row.seed)
            rows = [old for old in rows if (old["data"], old["predictor"], old["seed"]) != key] + [asdict(row)]
            path.write_text(json.dumps(rows, indent=1))
    write(rows)


if __name__ == "__main__":
    main()
