"""``cotrain train``: train given groups beside their alternatives and judge them."""

from __future__ import annotations

import argparse

from cotrain.cli import options, problem_source
from cotrain.cli.run import finish
from cotrain.cli.run_request import request_run

NAME = "train"
HELP = "Train the groups of a grouping.json beside their alternatives and judge them."


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``cotrain train``."""
    problem_source.configure(parser)
    parser.add_argument("--grouping", metavar="FILE", required=True, help="the groups: a grouping.json")
    options.add_verdict(parser)
    options.add_place(parser)
    options.add_run_output(parser)


def execute(arguments: argparse.Namespace) -> None:
    """Train, judge and print the verdict."""
    from cotrain.grouping.grouping import Grouping

    grouping = Grouping.load(arguments.grouping)
    finish(request_run(arguments, groups=grouping.groups, serving=dict(grouping.serving)), arguments)
