"""Whether a closer linear fit predicts measured losses better: Grad-TAG's fits in bases of growing accuracy.

Run ``python benchmarks/closer_fit.py FOLDER`` with the folder that holds ``measured/rf1.npz``, ``measured/tox21_20pct``
and their data; it writes ``benchmarks/results/closer_fit.json`` and ``closer_fit.md``. Every line predicts losses of
the very subsets that were measured, at the same base networks, with the ridge strength chosen on validation rows.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cotrain.affinity.affinity import Affinity
from cotrain.affinity.aggregation import co_occurrence_mean
from cotrain.affinity.linear.linearised import linearise
from cotrain.affinity.subset_losses import SubsetLosses
from cotrain.evaluation.scores import evaluate
from cotrain.evaluation.truth import read_truth
from cotrain.gradients.choose_basis import BasisKind
from cotrain.problem import Problem
from cotrain.problem.options import NetworkOptions
from cotrain.training.fit import Fit
from cotrain.training.trainer import Trainer

RESULTS = Path(__file__).parent / "results"
BASES = 1
HEAD = ("data", "basis", "d", "strengths", "Pearson", "Spearman", "beyond size", "like the closest fit")


@dataclass(frozen=True)
class Case:
    """A measured data set, the width of the networks that were measured, and the share of its rows."""

    data: str
    truth: str
    width: int
    every: int
    lines: tuple[tuple[BasisKind, int], ...]


LINES: tuple[tuple[BasisKind, int], ...] = (
    ("landmarks", 400),
    ("landmarks", 200),
    ("landmarks", 100),
    ("khatri-rao", 200),
)
CASES = (
    Case("multitarget/rf1.npz", "measured/rf1.npz", 16, 1, (("identity", 0), *LINES)),
    Case("molecules/tox21.npz", "measured/tox21_20pct.npz", 32, 5, LINES),
)
"""The closest linear fit of each comes first: every parameter where there are few, else the largest basis."""


def problem_of(case: Case, folder: Path) -> Problem:
    problem = Problem.from_npz(folder / case.data, network=NetworkOptions(hidden=(case.width,)))
    train = problem.splits["train"]
    return replace(problem, splits={**problem.splits, "train": train.take(torch.arange(0, len(train), case.every))})


def predicted(
    problem: Problem, bases: Sequence[Fit], mask: NDArray[np.bool_], kind: BasisKind, dimension: int
) -> tuple[NDArray[np.float64], list[float], int]:
    """Return losses of the subsets relative to each base's own losses alone, averaged; and what they were made with."""
    losses, strengths, found = [], [], 0
    for base in bases:
        model = linearise(problem, base, kind=kind, dim=dimension or 200, seed=base.seed)
        strength, _ = model.best_strength(mask)
        losses.append(model.losses(model.updates(mask, strength)))
        strengths.append(strength)
        found = model.basis.dimension
    return np.where(mask, np.mean(losses, axis=0), np.nan), strengths, found


def scored(case: Case, folder: Path) -> list[dict[str, Any]]:
    problem, truth = problem_of(case, folder), read_truth(folder / case.truth)
    mask = truth.mask[:, [truth.tasks.index(name) for name in problem.names]]
    trainer = Trainer(problem)
    bases = [trainer.fit(problem.subset(problem.names), seed=seed) for seed in range(BASES)]
    lines: list[dict[str, Any]] = []
    closest: NDArray[np.float64] | None = None
    for kind, dimension in case.lines:
        loss, strengths, found = predicted(problem, bases, mask, kind, dimension)
        closest = loss if closest is None else closest
        table = SubsetLosses(problem.names, mask, loss, np.full(mask.shape, np.nan), np.full(len(mask), "estimated"))
        affinity = Affinity(problem.names, *co_occurrence_mean(table), "grad-tag", "gain", table)
        scores = evaluate(affinity, truth)
        line = {
            "data": Path(case.truth).stem,
            "basis": kind,
            "dimension": found,
            "strengths": strengths,
            "like_closest": float(np.corrcoef(loss[mask], closest[mask])[0, 1]),
            "ceiling": scores.ceiling,
            **{name: getattr(scores.scores[0], name) for name in ("pearson", "spearman", "beyond_size")},
            "nulls": {each.predictor: [each.pearson, each.spearman] for each in scores.scores[1:]},
        }
        print(line, flush=True)
        lines.append(line)
    return lines


def cells(line: dict[str, Any]) -> list[str]:
    figures = [f"{line[name]:.3f}" for name in ("pearson", "spearman", "beyond_size", "like_closest")]
    strengths = ", ".join(f"{value:.0e}" for value in line["strengths"])
    return [line["data"], line["basis"], str(line["dimension"]), strengths, *figures]


def without_nan(value: Any) -> Any:
    """Return plain values with null where a figure has no meaning: JSON knows no NaN."""
    if isinstance(value, dict):
        return {name: without_nan(each) for name, each in value.items()}
    if isinstance(value, list):
        return [without_nan(each) for each in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def write(lines: list[dict[str, Any]]) -> None:
    (RESULTS / "closer_fit.json").write_text(json.dumps(without_nan(lines), indent=1, allow_nan=False) + "\n")
    rows = [f"| {' | '.join(row)} |" for row in (HEAD, ["---"] * len(HEAD), *map(cells, lines))]
    ceilings = "; ".join(dict.fromkeys(f"{line['data']}: ceiling {line['ceiling']:.3f}" for line in lines))
    text = f"""# Does a closer linear fit predict measured losses better?

Written by `benchmarks/closer_fit.py`. Correlations with measured gains are within each task over subsets of three and
more tasks, then the mean over tasks, as `cotrain evaluate` prints them ({ceilings}); mean over {BASES} base network(s).
The last column is the correlation with the losses that the first line of the data set predicts, the closest linear fit.

{chr(10).join(rows)}
"""
    (RESULTS / "closer_fit.md").write_text(text)


if __name__ == "__main__":
    torch.set_num_threads(1)
    write([line for case in CASES for line in scored(case, Path(sys.argv[1]))])
