"""From a file and options to a problem."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cotrain import checks
from cotrain.errors import InputError

if TYPE_CHECKING:
    from cotrain.problem.problem import Problem

_READER = ("targets", "ignore", "split", "kinds", "unusable", "hidden")
_TRAINING = ("learning_rate", "weight_decay", "batch_size", "epochs", "patience")
_OPTIONS_OF = {
    "": (),
    ".toml": (),
    ".npz": ("targets", "split", "kinds", "unusable", "hidden"),
    ".csv": _READER,
    ".parquet": _READER,
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say what is learned."""
    parser.add_argument(
        "source", metavar="PROBLEM", nargs="?", help="a problem.toml, a table (.csv, .parquet) or arrays (.npz)"
    )
    parser.add_argument("--demo", action="store_true", help="use the digits that ship with scikit-learn")
    group = parser.add_argument_group("data", "for tables and arrays; a problem.toml says these itself")
    group.add_argument("--targets", metavar="A,B", type=names, help="columns to predict, such as a,b,c")
    group.add_argument("--ignore", metavar="A,B", type=names, help="columns that are neither inputs nor targets")
    group.add_argument("--split", metavar="COLUMN", help="column of 0 (train), 1 (validation), 2 (test); else seeded")
    group.add_argument(
        "--kinds", metavar="A=KIND", type=_kinds, help="kinds of targets, where not as inferred: a=regression"
    )
    group.add_argument("--unusable", metavar="WHAT", help="refuse (default) or drop targets that cannot be learned")
    group.add_argument("--hidden", metavar="W,W", type=_widths, help="widths of the shared layers, such as 64,64")
    group = parser.add_argument_group("training", "for any problem")
    group.add_argument("--learning-rate", metavar="X", type=float, help="of the optimizer")
    group.add_argument("--weight-decay", metavar="X", type=float, help="of the optimizer")
    group.add_argument("--batch-size", metavar="N", type=int, help="rows per step")
    group.add_argument("--epochs", metavar="N", type=int, help="the most passes over the training rows")
    group.add_argument(
        "--patience", metavar="N", type=int, help="epochs without a better validation loss before training stops"
    )


def chosen_source(arguments: argparse.Namespace) -> str:
    """Return the file that was given, absolute, or nothing for the demo."""
    if arguments.demo == bool(arguments.source):
        raise InputError("`problem` must be one file, or --demo. Give a problem.toml, a table or arrays.")
    return str(Path(arguments.source).expanduser().resolve()) if arguments.source else ""


def problem_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the options of the problem that were given."""
    given = {name: getattr(arguments, name) for name in (*_READER, *_TRAINING)}
    return {name: value for name, value in given.items() if value is not None}


def read_problem(source: str, options: Mapping[str, Any], *, seed: int = 0) -> Problem:
    """Read the problem in the file ``source``; the digits where it is empty.

    Raises
    ------
    InputError
        When the file cannot be read as a problem; everything wrong with it in one message.
    """
    path = Path(source)
    suffix = path.suffix
    if source and not path.is_file():
        raise InputError(f"`problem` must be an existing file. '{path}' does not exist.")
    checks.one_of("problem", suffix, tuple(_OPTIONS_OF)[1:] if source else ("",))
    _refuse_foreign(suffix, options)
    problem = _read(path if source else None, options, seed)
    training = {name: value for name, value in options.items() if name in _TRAINING}
    return replace(problem, training=replace(problem.training, **training))


def identity(problem: Problem) -> dict[str, str]:
    """Return digests of what results depend on: tasks, data and training options; the network."""
    from cotrain.seeding import seeded
    from cotrain.training.ledger import network_digest

    with seeded(0, "identity"):
        network = problem.build(problem.tasks)
    return {"fingerprint": problem.fingerprint, "network": network_digest(network)}


def names(text: str) -> list[str]:
    """Read ``a,b,c``."""
    return [name.strip() for name in text.split(",") if name.strip()]


def _read(path: Path | None, options: Mapping[str, Any], seed: int) -> Problem:
    from cotrain.problem.options import NetworkOptions
    from cotrain.problem.problem import Problem

    if path is None:
        from cotrain.problem.demo import digits

        return digits()
    if path.suffix == ".toml":
        return Problem.from_toml(path)
    keywords: dict[str, Any] = {name: options[name] for name in _READER if name in options}
    if "hidden" in keywords:
        keywords["network"] = NetworkOptions(hidden=tuple(keywords.pop("hidden")))
    if path.suffix == ".npz":
        return Problem.from_npz(path, **keywords, seed=seed)
    if "targets" not in options:
        raise InputError("`targets` must name the columns to predict. Give --targets a,b,c.")
    return Problem.from_table(path, **keywords, seed=seed)


def _refuse_foreign(suffix: str, options: Mapping[str, Any]) -> None:
    known: Collection[str] = (*_OPTIONS_OF[suffix], *_TRAINING)
    foreign = [f"--{name}" for name in options if name not in known]
    if foreign:
        what = f"'{suffix}' files" if suffix else "the demo"
        raise InputError(f"{', '.join(foreign)} cannot be used with {what}. Leave it out or say it in the file.")


def _kinds(text: str) -> dict[str, str] | str:
    pairs = [name.partition("=") for name in names(text)]
    return text if pairs and not pairs[0][1] else {name: kind for name, _, kind in pairs}


def _widths(text: str) -> list[int]:
    return [int(width) for width in names(text)]
