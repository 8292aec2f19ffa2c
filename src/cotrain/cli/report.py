"""``cotrain report``: the page of a finished run, once more."""

from __future__ import annotations

import argparse
from pathlib import Path

from cotrain.cli import options
from cotrain.cli.console import Console
from cotrain.cli.run_folder import RECORD, read_record
from cotrain.cli.run_request import RunRequest
from cotrain.cli.run_settings import RunSettings
from cotrain.cli.stages import VERDICT
from cotrain.errors import InputError

NAME = "report"
HELP = "Write the report of a finished run to a file of your choice."


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``cotrain report``."""
    parser.add_argument("folder", metavar="FOLDER", help="the folder of a finished run")
    options.add_file_output(parser, "report.html", required=True)


def execute(arguments: argparse.Namespace) -> None:
    """Write the page and print where it lies."""
    from cotrain import api

    options.free_file(arguments, ".html")
    folder = Path(arguments.folder)
    replays = read_record(folder / RECORD)
    request = RunRequest(RunSettings.from_dict(replays["settings"]), folder, replays)
    stages = request.checked(Console(quiet=arguments.quiet))
    with stages.folder.opened():
        if not stages.folder.has(VERDICT):
            raise InputError(f"`folder` must hold a finished run. Finish it: cotrain run {folder / RECORD}")
        affinity = None if stages.settings.groups else stages.affinity()
        trained = stages.trained(stages.grouping(affinity), affinity)
    print(api.report(trained, arguments.out, overwrite=arguments.overwrite))
