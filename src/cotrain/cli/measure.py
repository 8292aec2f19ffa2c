"""``cotrain measure``: truth to judge estimates by."""

from __future__ import annotations

import argparse

from cotrain.cli import options, problem_source, results
from cotrain.cli.console import Console
from cotrain.cli.run_settings import RunSettings

NAME = "measure"
HELP = "Train many subsets with many seeds: the truth that 'cotrain evaluate' scores an affinity against."


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``cotrain measure``."""
    problem_source.configure(parser)
    parser.add_argument("--pairs", metavar="N", type=int, default=100, help="the most pairs (100)")
    parser.add_argument("--larger", metavar="N", type=int, default=100, help="subsets of three tasks or more (100)")
    parser.add_argument("--seeds", metavar="N", type=int, default=8, help="networks per subset (8)")
    parser.add_argument("--seed", metavar="N", type=int, default=100, help="the first seed (100), far from estimates'")
    parser.add_argument("--device", metavar="NAME", default="cpu", help="where networks train, such as cuda (cpu)")
    parser.add_argument(
        "--folder", metavar="FOLDER", help="keep trained networks there, so that a killed measurement resumes"
    )
    options.add_file_output(parser, "truth.npz", required=True)


def execute(arguments: argparse.Namespace) -> None:
    """Measure, save and say what it took."""
    from cotrain import api

    out = options.free_file(arguments, ".npz")
    RunSettings(seeds=arguments.seeds, seed=arguments.seed, device=arguments.device).refuse_bad()
    problem = problem_source.read_problem(problem_source.describe(problem_source.source_of(arguments), arguments))
    with Console(quiet=arguments.quiet).progress("truth") as progress:
        measured = api.measure(
            problem, pairs=arguments.pairs, larger=arguments.larger, seeds=arguments.seeds,
            first_seed=arguments.seed, folder=arguments.folder, device=arguments.device, progress=progress,
        )  # fmt: skip
    if out is not None:
        measured.save(out, overwrite=arguments.overwrite)
    subsets, cost = len(measured.mask), measured.cost
    if arguments.json:
        print(results.as_json({"subsets": subsets, "seeds": arguments.seeds, "cost": cost.to_dict()}))
    else:
        print(f"{subsets} subsets with {arguments.seeds} seeds each: {cost.trainings} trainings, {cost.seconds:.0f} s")
