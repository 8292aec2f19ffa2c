"""``cotrain run``: the whole way from data to verdict, in one folder that resumes and replays."""

from __future__ import annotations

import argparse

from cotrain.cli import options, problem_source, results
from cotrain.cli.console import Console
from cotrain.cli.run_request import RunRequest, request_run
from cotrain.cli.stages import REPORT

NAME = "run"
HELP = "Estimate, group, train and judge: from data to verdict and report. A killed run goes on where it stopped."


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``cotrain run``."""
    problem_source.configure(parser)
    options.add_estimator(parser)
    options.add_grouper(parser)
    options.add_verdict(parser)
    options.add_place(parser)
    options.add_run_output(parser)


def execute(arguments: argparse.Namespace) -> None:
    """Run all stages and print the verdict."""
    finish(request_run(arguments), arguments)


def finish(request: RunRequest, arguments: argparse.Namespace) -> None:
    """Bring a run to its end and print the verdict."""
    stages = request.checked(Console(quiet=arguments.quiet))
    with stages.folder.opened():
        outcome = stages.finish()
    report = str(request.out / REPORT)
    if arguments.json:
        print(results.as_json({**outcome, "report": report}))
    else:
        print(f"{results.outcome_text(outcome)}\n\nreport: {report}")
