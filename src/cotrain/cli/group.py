"""``cotrain group``: who should train with whom."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from cotrain import checks
from cotrain.cli import options, results
from cotrain.cli.run_settings import RunSettings
from cotrain.errors import InputError

if TYPE_CHECKING:
    from cotrain.affinity.affinity import Affinity

NAME = "group"
HELP = "Choose which tasks should train together, from an affinity."


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``cotrain group``."""
    parser.add_argument(
        "affinity",
        metavar="AFFINITY",
        help="an affinity.npz, or a square CSV: row = affected task, column = its partner",
    )
    options.add_grouper(parser)
    options.add_file_output(parser, "grouping.json")


def execute(arguments: argparse.Namespace) -> None:
    """Group, save and print the groups."""
    from cotrain import api

    out = options.free_file(arguments, ".json")
    settings = RunSettings(**options.given_settings(arguments))
    settings.refuse_bad()
    affinity = read_affinity(Path(arguments.affinity))
    grouping = api.group(affinity, networks=settings.networks, method=settings.grouper)
    if out:
        grouping.save(out, overwrite=arguments.overwrite)
    if arguments.json:
        print(results.as_json(results.grouping_content(grouping)))
    else:
        print(results.grouping_text(grouping))


def read_affinity(path: Path) -> Affinity:
    """Read a saved affinity, or a matrix with task names in the first row and column."""
    import pandas as pd

    from cotrain.affinity.affinity import Affinity

    checks.one_of("affinity", path.suffix, (".npz", ".csv"))
    if path.suffix == ".npz":
        return Affinity.load(path)
    if not path.is_file():
        raise InputError(f"`affinity` must be an existing file. '{path}' does not exist.")
    frame = pd.read_csv(path, index_col=0)
    rows, columns = [str(name) for name in frame.index], [str(name) for name in frame.columns]
    if rows != columns:
        raise InputError(f"`affinity` must name the same tasks in its first row and column. '{path}' does not.")
    try:
        return Affinity.from_matrix(columns, frame.to_numpy(dtype=float))
    except ValueError as error:
        raise InputError(f"`affinity` must hold numbers. '{path}': {error}.") from None
