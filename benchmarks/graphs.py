"""Communities of real graphs: estimated against measured losses on random subsets of ten tasks.

Run ``python benchmarks/graphs.py DATA WORK`` with the folder that holds ``graph/com-youtube.npz`` and
``graph/blogcatalog.npz`` and one for finished networks (a killed run goes on there). Every task alone, 100 random
subsets of ten, some pairs and all tasks together are trained with several seeds on propagated features. Grad-TAG from
other seeds is scored against their validation losses as ``cotrain evaluate`` does, nulls included: as it comes, and
asked for these very subsets at the least cost. Writes ``benchmarks/results/graphs.json`` and ``graphs.md``.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import cotrain
from cotrain.affinity import Affinity, GradTAG, SubsetLosses
from cotrain.affinity.aggregation import co_occurrence_mean
from cotrain.affinity.design import balanced_subsets, distinct, singles_and_all
from cotrain.affinity.linear.linearised import linearise
from cotrain.cost import measure
from cotrain.evaluation.measured import measure_subsets
from cotrain.evaluation.scores import Scores
from cotrain.problem import Problem
from cotrain.training.trainer import Trainer

RESULTS = Path(__file__).parent / "results"
GRAPHS = {"com-youtube": 30, "blogcatalog": 60}
"""With the least members that a community needs among the training nodes."""
SEEDS = {"com-youtube": 4, "blogcatalog": 2}
"""Of every measured subset: as many as minutes of one core allow."""
SUBSETS, SIZE, FIRST_SEED = 100, 10, 100
DIMENSION = 100
DEFAULT, DIRECT = "mean affinity to the partners, three bases", "these very subsets, one base, one Newton step"


def problem_of(path: Path, least: int) -> Problem:
    problem = Problem.from_graph(path, unusable="drop")
    members = problem.splits["train"].targets.nansum(dim=0).tolist()
    return problem.with_tasks([name for name, n in zip(problem.names, members, strict=True) if n >= least])


def subsets_of(names: tuple[str, ...]) -> NDArray[np.bool_]:
    """Return the scored subsets, and each task alone and in a few pairs, from which gains and a null are told."""
    random = np.random.default_rng(0)
    mask = np.zeros((SUBSETS, len(names)), dtype=bool)
    for row in mask:
        row[random.choice(len(names), SIZE, replace=False)] = True
    pairs = balanced_subsets(names, size=2, count=2 * len(names))
    return distinct(np.concatenate([singles_and_all(len(names)), mask, pairs]))


def direct(problem: Problem, trainer: Trainer, mask: NDArray[np.bool_]) -> Affinity:
    """Estimate these very subsets, as the paper does, with the fewest operations."""
    base = trainer.fit(problem.subset(problem.names), seed=0)
    with measure() as meter:
        model = linearise(problem, base, kind="auto", dim=DIMENSION, seed=0)
        strength, _ = model.best_strength(mask)
        loss = model.losses(model.updates(mask, strength, corrections=0))
    losses = SubsetLosses.from_seeds(problem.names, mask, loss[None], source="estimated")
    return Affinity(
        problem.names, *co_occurrence_mean(losses), "grad-tag", "gain", losses, base.cost + meter.cost, (), ""
    )


def compare(problem: Problem, work: Path) -> dict[str, Any]:
    mask = subsets_of(problem.names)
    trainer, seeds = Trainer(problem, folder=work / problem.name), SEEDS[problem.name]
    measured = measure_subsets(trainer, mask, seeds=range(FIRST_SEED, FIRST_SEED + seeds))
    estimates = {DEFAULT: GradTAG().estimate(problem, trainer), DIRECT: direct(problem, trainer, mask)}
    scores = {label: cotrain.evaluate(affinity, measured.losses()) for label, affinity in estimates.items()}
    frames = [plain_rows(one) for one in scores.values()]
    once = measured.cost.flops / seeds
    return {
        "graph": problem.name,
        "seeds": seeds,
        "tasks": len(problem.tasks),
        "subsets": scores[DIRECT].subsets,
        "ceiling": scores[DIRECT].ceiling,
        "cost_share": {label: one.cost.flops / once for label, one in estimates.items()},
        "scores": [
            *({**rows[0], "predictor": label} for label, rows in zip(scores, frames, strict=True)),
            *frames[0][1:],
        ],
        "warnings": {label: list(one.warnings) for label, one in estimates.items()},
    }


def plain_rows(scores: Scores) -> list[dict[str, Any]]:
    """Return a row for each predictor; None for what is not known."""
    rows = [asdict(score) for score in scores.scores]
    return [{name: None if value != value else value for name, value in row.items()} for row in rows]


def markdown(lines: list[dict[str, Any]], setting: dict[str, Any]) -> str:
    text = [
        "# Communities of real graphs",
        "",
        f"Every task alone, {SUBSETS} random subsets of {SIZE} and all tasks together, trained with several seeds on",
        "features propagated over two hops; Grad-TAG from other seeds, scored on their validation losses. Cost share:",
        "FLOPs of the estimate by those of training all these subsets (and two pairs a task) once. Grad-TAG's paper",
        "states a relative distance of 2.7 % at 3 % of the FLOPs, on subgraphs of its own that are not public; the",
        "nulls, which know nothing of the subsets, show what such a distance is worth.",
        "Written by `python benchmarks/graphs.py DATA WORK`; "
        + ", ".join(f"{k} {v}" for k, v in setting.items())
        + ".",
        "",
    ]
    for line in lines:
        shares = "; ".join(f"{share:.1%} ({label})" for label, share in line["cost_share"].items())
        text += [
            f"## {line['graph']}: {line['tasks']} tasks, {line['subsets']} subsets, {line['seeds']} seeds",
            "",
            f"Noise ceiling of a correlation {line['ceiling']:.2f}. Cost share {shares}.",
            "",
            "| " + " | ".join(line["scores"][0]) + " |",
            "|" + "---|" * len(line["scores"][0]),
        ]
        text += ["| " + " | ".join(_cell(value) for value in score.values()) + " |" for score in line["scores"]]
        text.append("")
    return "\n".join(text)


def _cell(value: str | float | None) -> str:
    return value if isinstance(value, str) else "-" if value is None else f"{value:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Estimated against measured losses on real graphs.")
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--only", nargs="*", choices=GRAPHS, default=list(GRAPHS))
    options = parser.parse_args()
    logging.getLogger("cotrain").setLevel(logging.ERROR)
    path = RESULTS / "graphs.json"
    kept = json.loads(path.read_text())["graphs"] if path.exists() else []
    for name in options.only:
        line = compare(problem_of(options.data / "graph" / f"{name}.npz", GRAPHS[name]), options.work)
        kept = [*[one for one in kept if one["graph"] != name], line]
        setting = {"torch": torch.__version__, "threads": torch.get_num_threads(), "load": round(os.getloadavg()[1], 1)}
        path.write_text(json.dumps({"graphs": kept, **setting}, indent=2) + "\n")
        (RESULTS / "graphs.md").write_text(markdown(kept, setting))
        print(markdown([line], setting), flush=True)


if __name__ == "__main__":
    main()
