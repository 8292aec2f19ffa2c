"""Do partners of a planted family help, and does Grad-TAG see it? Trained subsets beside estimates, at a small size.

Run ``python benchmarks/scale_families.py`` (a minute of one core). Subsets of three tasks of one family, and of
three families, are trained and compared with each task alone; affinities are estimated around bases that
trained one epoch or twenty, with ridge strengths fixed or chosen on validation rows. Writes
``benchmarks/results/scale_families.json`` and ``scale_families.md``.
"""

from __future__ import annotations

import json
import logging
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from planted_graph import FAMILY, planted_graph
from scale import EDGES, NODES, RESULTS, collected, problem_of, same_family, separation, subsets_of, validation_losses

from cotrain.affinity.aggregation import co_occurrence_mean
from cotrain.affinity.design import distinct, singles_and_all
from cotrain.affinity.linear.linear_fits import fit_subsets
from cotrain.affinity.linear.ridge_strength import choose_strength
from cotrain.evaluation.measured import measure_subsets
from cotrain.gradients import GradientStore, make_basis
from cotrain.problem import Problem
from cotrain.training.trainer import Trainer

SIZE, TASKS, SEEDS = Fraction(1, 400), 30, (100,)
TOGETHER, COUNT, ESTIMATED = 3, 20, 450
LONG, SETTINGS = 20, ((1, 1.0), (1, None), (20, None))
"""Epochs of the base, and the ridge strength; None: the best of a grid on validation rows."""
GRID = (0.01, 0.1, 1.0, 10.0, 100.0)


def made(epochs: int) -> Problem:
    graph = planted_graph(int(NODES * SIZE), int(EDGES * SIZE), TASKS, seed=0)
    return problem_of(graph.edges, graph.members, epochs=epochs)


def measured() -> dict[str, Any]:
    """Return mean gains over training alone in trained subsets of one family, and across families."""
    problem = made(LONG)
    family = np.array([int(name.removeprefix("task")) // FAMILY for name in problem.names])
    within, across = drawn(family)
    mask = distinct(np.concatenate([singles_and_all(len(family)), within, across]))
    losses = measure_subsets(Trainer(problem), mask, seeds=SEEDS).losses()
    kinds = {"within": [row.tobytes() for row in within], "across": [row.tobytes() for row in across]}
    keys, gain = [row.tobytes() for row in mask], losses.gain()
    found: dict[str, Any] = {"loss alone": float(np.nanmean(losses.alone))}
    for kind, rows in kinds.items():
        means = np.nanmean(gain[[key in rows for key in keys]], axis=1)
        found[kind] = [float(means.mean()), float(means.std(ddof=1) / np.sqrt(len(means)))]
    return found


def drawn(family: NDArray[np.int64]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return subsets of one family each, and subsets with one task of each of some families."""
    random = np.random.default_rng(0)
    within, across = np.zeros((2, COUNT, len(family)), dtype=bool)
    for row in range(COUNT):
        own = np.flatnonzero(family == random.choice(np.unique(family)))
        within[row, random.choice(own, TOGETHER, replace=False)] = True
        others = random.choice(np.unique(family), TOGETHER, replace=False)
        across[row, [random.choice(np.flatnonzero(family == one)) for one in others]] = True
    return within, across


def estimated(epochs: int, strength: float | None, folder: Path) -> dict[str, Any]:
    problem = made(epochs)
    trainer = Trainer(problem)
    base = trainer.fit(problem.subset(problem.names))
    basis = make_basis("auto", problem, base.network, base.subset, dim=100)
    store: GradientStore = collected(folder, problem, base, basis, "cpu")
    mask = subsets_of(store.tasks)[:ESTIMATED]
    train, validation = store.read("train"), store.read("validation")
    chosen = strength or choose_strength(train, validation, torch.from_numpy(mask[::30]), grid=GRID).strength
    coefficients = fit_subsets(train, torch.from_numpy(mask), strength=chosen, corrections=1).coefficients
    matrix = co_occurrence_mean(validation_losses(store, mask, coefficients)).matrix
    same = same_family(store.tasks)
    return {
        "epochs": epochs,
        "strength": chosen,
        "strength_chosen": strength is None,
        "base_loss": float(np.mean(base.validation_loss)),
        "within": float(matrix[same].mean()),
        "across": float(matrix[~same & ~np.eye(len(same), dtype=bool)].mean()),
        "separation": separation(matrix, same),
    }


def markdown(truth: dict[str, Any], estimates: list[dict[str, Any]]) -> str:
    gains = {kind: f"{truth[kind][0]:+.4f} (standard error {truth[kind][1]:.4f})" for kind in ("within", "across")}
    lines = [
        "# Planted families: what partners give, and what the estimate sees",
        "",
        f"{TASKS} communities in families of {FAMILY} on a graph of size {SIZE}. Trained for {LONG} epochs, {COUNT}",
        f"subsets of {TOGETHER} tasks of one family gain {gains['within']} over training alone,",
        f"as many with tasks of {TOGETHER} families {gains['across']};",
        f"the mean loss alone is {truth['loss alone']:.4f}.",
        "Separation: how often a partner of the own family outranks another one in a row of the affinities (0.5: by",
        "chance).",
        "Written by `python benchmarks/scale_families.py`.",
        "",
        "| epochs of the base | its loss | ridge strength | affinity within families | across | separation |",
        "|---|---|---|---|---|---|",
    ]
    for one in estimates:
        strength = f"{one['strength']:g} ({'chosen' if one['strength_chosen'] else 'fixed'})"
        shown = f"{one['within']:+.4f} | {one['across']:+.4f} | {one['separation']:.3f}"
        lines.append(f"| {one['epochs']} | {one['base_loss']:.4f} | {strength} | {shown} |")
    return "\n".join([*lines, ""])


def main() -> None:
    logging.getLogger("cotrain").setLevel(logging.ERROR)
    truth, estimates = measured(), []
    for number, (epochs, strength) in enumerate(SETTINGS):
        with tempfile.TemporaryDirectory() as folder:
            estimates.append(estimated(epochs, strength, Path(folder) / str(number)))
    (RESULTS / "scale_families.json").write_text(json.dumps({"truth": truth, "estimates": estimates}, indent=2) + "\n")
    text = markdown(truth, estimates)
    (RESULTS / "scale_families.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
