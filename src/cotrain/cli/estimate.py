"""``cotrain estimate``: who helps whom."""

from __future__ import annotations

import argparse

from cotrain.cli import options, problem_source, results
from cotrain.cli.console import Console
from cotrain.cli.run_settings import RunSettings

NAME = "estimate"
HELP = "Estimate how much each task helps or hurts each other task."


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``cotrain estimate``."""
    problem_source.configure(parser)
    options.add_estimator(parser)
    options.add_place(parser)
    parser.add_argument(
        "--folder", metavar="FOLDER", help="keep trained networks there, so that a killed estimate resumes"
    )
    options.add_file_output(parser, "affinity.npz")


def execute(arguments: argparse.Namespace) -> None:
    """Estimate, save and print the matrix."""
    from cotrain import api

    out = options.free_file(arguments, ".npz")
    settings = RunSettings(**options.given_settings(arguments))
    settings.refuse_bad()
    problem = problem_source.read_problem(problem_source.describe(problem_source.source_of(arguments), arguments))
    with Console(quiet=arguments.quiet).progress("affinity") as progress:
        affinity = api.estimate(
            problem, method=settings.estimator, seed=settings.seed, folder=arguments.folder, device=settings.device,
            progress=progress,
        )  # fmt: skip
    if out:
        affinity.save(out, overwrite=arguments.overwrite)
    if arguments.json:
        print(results.as_json(results.affinity_content(affinity)))
    else:
        print(results.affinity_text(affinity))
