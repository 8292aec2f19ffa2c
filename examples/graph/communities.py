"""Find out which communities of a graph should be predicted together.

    python examples/graph/communities.py com-youtube.npz com-dblp.npz blogcatalog.npz

Each file holds a graph: `edges` (edges, 2), labels `Y` (nodes, communities) and, where known, features `X` and a
`split`. A task asks whether a node belongs to a community. Features are averaged over two hops once, ahead of training.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

import cotrain
from cotrain.affinity import GradTAG
from cotrain.problem import Problem


def read(path: Path, *, positives: int, epochs: int | None) -> Problem:
    """Return the communities of a graph with enough members among the training nodes."""
    problem = Problem.from_graph(path, hops=2, unusable="drop", training={"epochs": epochs} if epochs else None)
    members = problem.splits["train"].targets.nansum(dim=0).tolist()
    frequent = [name for name, count in zip(problem.names, members, strict=True) if count >= positives]
    return problem.with_tasks(frequent)


def judge(problem: Problem, *, networks: int, seeds: int, random_draws: int, bases: int) -> cotrain.TrainedGroups:
    """Estimate, group, train, and judge on test nodes."""
    affinity = cotrain.estimate(problem, method=GradTAG(bases=bases))
    grouping = cotrain.group(affinity, networks=min(networks, len(problem.tasks)))
    return cotrain.train(problem, grouping, seeds=seeds, random_draws=random_draws, estimate=affinity)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Groups of communities that should be predicted together.")
    parser.add_argument("graphs", nargs="+", type=Path)
    parser.add_argument("--positives", type=int, default=30, help="least members among the training nodes")
    parser.add_argument("--networks", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--random-draws", type=int, default=3)
    parser.add_argument("--bases", type=int, default=3)
    parser.add_argument("--epochs", type=int, help="most passes over the training nodes; by their number by default")
    options = parser.parse_args(arguments)
    logging.getLogger("cotrain").setLevel(logging.ERROR)  # communities left out are named one by one
    for path in options.graphs:
        problem = read(path, positives=options.positives, epochs=options.epochs)
        trained = judge(
            problem,
            networks=options.networks,
            seeds=options.seeds,
            random_draws=options.random_draws,
            bases=options.bases,
        )
        print(problem)
        print(trained.grouping)
        print(trained.verdict.arms_frame().round(4).to_string(index=False))
        print(trained.verdict.sentence, end="\n\n", flush=True)


if __name__ == "__main__":
    main()
