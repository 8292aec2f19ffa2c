"""From the arguments of a command to the description of a problem, and from there to the problem."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cotrain.errors import InputError

if TYPE_CHECKING:
    from cotrain.problem.problem import Problem

DEMO = "demo"
_DATA = ("targets", "inputs", "ignore", "split", "kinds", "missing_inputs", "unusable")
_NETWORK = ("hidden", "dropout")
_TRAINING = ("learning_rate", "weight_decay", "batch_size", "epochs", "patience")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say what is learned."""
    parser.add_argument(
        "source", metavar="PROBLEM", nargs="?", help="a problem.toml, a table (.csv, .parquet) or arrays (.npz)"
    )
    parser.add_argument("--demo", action="store_true", help="use the digits that ship with scikit-learn")
    group = parser.add_argument_group("problem", "each replaces what a problem.toml says")
    group.add_argument("--targets", metavar="A,B", type=names, help="columns to predict, such as a,b,c")
    group.add_argument("--inputs", metavar="A,B", type=names, help="columns to predict from; all others by default")
    group.add_argument("--ignore", metavar="A,B", type=names, help="columns that are neither inputs nor targets")
    group.add_argument("--split", metavar="COLUMN", help="column of 0 (train), 1 (validation), 2 (test); else seeded")
    group.add_argument(
        "--kinds", metavar="A=KIND", type=_kinds, help="kinds of targets, where not as inferred: a=regression"
    )
    group.add_argument("--missing-inputs", metavar="WHAT", help="refuse (default) or impute empty cells of inputs")
    group.add_argument("--unusable", metavar="WHAT", help="refuse (default) or drop targets that cannot be learned")
    group.add_argument("--hops", metavar="N", type=int, help="read the file as a graph; how far nodes see along edges")
    group.add_argument("--hidden", metavar="W,W", type=_widths, help="widths of the shared layers, such as 64,64")
    group.add_argument("--dropout", metavar="P", type=float, help="probability of dropping a hidden unit")
    group.add_argument("--learning-rate", metavar="X", type=float, help="of the optimizer")
    group.add_argument("--weight-decay", metavar="X", type=float, help="of the optimizer")
    group.add_argument("--batch-size", metavar="N", type=int, help="rows per step")
    group.add_argument("--epochs", metavar="N", type=int, help="the most passes over the training rows")
    group.add_argument(
        "--patience", metavar="N", type=int, help="epochs without a better validation loss until the end"
    )


def source_of(arguments: argparse.Namespace) -> Path | None:
    """Return the file that was given, None for the demo."""
    if arguments.demo == bool(arguments.source):
        raise InputError("`problem` must be one file, or --demo. Give a problem.toml, a table or arrays.")
    if arguments.demo:
        return None
    path = Path(arguments.source).expanduser().resolve()
    if not path.is_file():
        raise InputError(f"`problem` must be an existing file. '{arguments.source}' is none.")
    return path


def describe(source: Path | None, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the description of the problem in a file, with what else was given in its place."""
    if source is None:
        return merged({DEMO: True}, given_options(arguments))
    content: dict[str, Any] = {"data": str(source)}
    if source.suffix == ".toml":
        from cotrain.problem.readers.toml import load_toml

        content = load_toml(source)
        if isinstance(content.get("data"), str):
            content["data"] = str(source.parent / content["data"])
    return merged(content, given_options(arguments))


def given_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what was given about the problem, in the form of a problem.toml."""
    keys = {"graph": ("hops",), "network": _NETWORK, "training": _TRAINING}
    sections = {section: _given(arguments, own) for section, own in keys.items()}
    return {**_given(arguments, _DATA), **{name: options for name, options in sections.items() if options}}


def merged(content: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a description with ``given`` in place of what it says; sections are merged key by key."""
    both = [name for name in given if isinstance(given[name], dict) and isinstance(content.get(name), dict)]
    return {**content, **given, **{name: {**content[name], **given[name]} for name in both}}


def read_problem(content: Mapping[str, Any]) -> Problem:
    """Read the problem that is described.

    Raises
    ------
    InputError
        When there is none; everything wrong with description and data in one message.
    """
    from cotrain.problem.readers.toml import read_recipe

    if DEMO not in content:
        return read_recipe(content, Path.cwd())
    from cotrain.problem.demo import digits

    foreign = sorted(set(content) - {DEMO, "training"})
    if foreign:
        raise InputError(f"The demo brings its own data and network. Leave out what says {', '.join(foreign)}.")
    problem = digits()
    return replace(problem, training=replace(problem.training, **content.get("training", {})))


def resolved(content: Mapping[str, Any], problem: Problem) -> dict[str, Any]:
    """Return the description with every choice made, as it can be replayed."""
    if DEMO in content:
        return {DEMO: True, "training": problem.training.to_dict()}
    return dict(problem.recipe)


def identity(problem: Problem) -> dict[str, str]:
    """Return digests of what results depend on: tasks, data and training options; the network."""
    from cotrain.seeding import seeded
    from cotrain.training.ledger import network_digest

    with seeded(0, "identity"):
        network = problem.build(problem.tasks)
    return {"fingerprint": problem.fingerprint, "network": network_digest(network)}


def _given(arguments: argparse.Namespace, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(arguments, name, None)) is not None}


def names(text: str) -> list[str]:
    """Return names separated by commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def _kinds(text: str) -> dict[str, str] | str:
    pairs = [name.partition("=") for name in names(text)]
    return text if pairs and not pairs[0][1] else {name: kind for name, _, kind in pairs}


def _widths(text: str) -> list[int]:
    return [int(width) for width in names(text)]
