"""Arguments that several commands share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from cotrain import checks
from cotrain.cli.run_settings import RunSettings
from cotrain.errors import InputError

_DEFAULTS = RunSettings()
_FLAGS = ("estimator", "grouper", "networks", "seeds", "random_draws", "seed", "device")


def add_estimator(parser: argparse.ArgumentParser) -> None:
    """Add how affinities are estimated."""
    parser.add_argument("--estimator", metavar="NAME", help=f"how affinities are estimated ({_DEFAULTS.estimator})")


def add_grouper(parser: argparse.ArgumentParser) -> None:
    """Add how groups are chosen."""
    parser.add_argument("--networks", metavar="N", type=int, help="how many networks may be deployed (chosen by data)")
    parser.add_argument("--grouper", metavar="NAME", help=f"how groups are chosen ({_DEFAULTS.grouper})")


def add_verdict(parser: argparse.ArgumentParser) -> None:
    """Add how the verdict is reached."""
    parser.add_argument(
        "--seeds", metavar="N", type=int, help=f"networks per group, paired over arms ({_DEFAULTS.seeds})"
    )
    parser.add_argument(
        "--random-draws", metavar="N", type=int, help=f"random groupings to compare with ({_DEFAULTS.random_draws})"
    )


def add_place(parser: argparse.ArgumentParser) -> None:
    """Add where and from which seed networks train."""
    parser.add_argument("--seed", metavar="N", type=int, help=f"the first seed ({_DEFAULTS.seed})")
    parser.add_argument("--device", metavar="NAME", help=f"where networks train, such as cuda ({_DEFAULTS.device})")


def add_run_output(parser: argparse.ArgumentParser) -> None:
    """Add where a run works and how its result is shown."""
    parser.add_argument("--out", metavar="FOLDER", help="the run's own folder; given again, the run goes on in it")
    add_manner(parser)


def add_file_output(parser: argparse.ArgumentParser, example: str, *, required: bool = False) -> None:
    """Add where one file goes and how its content is shown."""
    parser.add_argument("--out", metavar="FILE", required=required, help=f"save to this file, such as {example}")
    parser.add_argument("--overwrite", action="store_true", help="replace that file where it exists")
    add_manner(parser)


def given_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that were given on the command line."""
    values = {name: getattr(arguments, name, None) for name in _FLAGS}
    return {name: value for name, value in values.items() if value is not None}


def free_file(arguments: argparse.Namespace, suffix: str) -> Path | None:
    """Return the file to save to, known to be free, in a folder that exists; None where none is asked for."""
    if arguments.out is None:
        return None
    path = Path(arguments.out)
    checks.one_of("out", path.suffix, (suffix,))
    if path.exists() and not arguments.overwrite:
        raise InputError(f"`out` exists already: '{path}'. Choose another file or give --overwrite.")
    if not path.parent.is_dir():
        raise InputError(f"`out` must lie in an existing folder. '{path.parent}' does not exist.")
    return path


def add_manner(parser: argparse.ArgumentParser) -> None:
    """Add how results are shown."""
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--quiet", action="store_true", help="say nothing on the way")
