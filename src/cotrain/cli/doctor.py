"""``cotrain doctor``: look at a problem's network before a long run."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from cotrain.cli import options, problem_source, results
from cotrain.errors import InputError

NAME = "doctor"
HELP = "Examine a problem's network before a long run: whether its gradients can be taken, how, and at what cost."


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``cotrain doctor``."""
    problem_source.configure(parser)
    options.add_manner(parser)


def execute(arguments: argparse.Namespace) -> None:
    """Examine the network and print what was found.

    Raises
    ------
    InputError
        When gradients cannot be collected from it.
    """
    from cotrain.gradients.doctor import examine

    problem = problem_source.read_problem(problem_source.describe(problem_source.source_of(arguments), arguments))
    diagnosis = examine(problem)
    if not diagnosis.healthy:
        raise InputError(str(finding) for finding in diagnosis.findings)
    if arguments.json:
        estimate = asdict(diagnosis.estimate) if diagnosis.estimate else {}
        findings = [asdict(finding) for finding in diagnosis.findings]
        print(results.as_json({"findings": findings, "paths": diagnosis.paths, "estimate": estimate}))
    else:
        print(diagnosis.text)
