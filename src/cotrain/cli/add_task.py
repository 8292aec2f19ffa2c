"""``cotrain add-task``: tasks join and leave a store of gradients."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from cotrain.cli import options, problem_source, results
from cotrain.cli.console import Console
from cotrain.errors import InputError

if TYPE_CHECKING:
    from cotrain.gradients.base_store import Added, BaseStore

NAME = "add-task"
HELP = "Add tasks to a store of gradients, or drop one; the rows of other tasks are not touched."


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``cotrain add-task``."""
    problem_source.configure(parser)
    parser.add_argument(
        "--store", metavar="FOLDER", required=True, help="the store; a new one begins with a base network of the tasks"
    )
    parser.add_argument("--tasks", metavar="A,B", type=problem_source.names, help="tasks to add; all by default")
    parser.add_argument("--drop", metavar="TASK", help="remove this task's rows instead")
    parser.add_argument("--projection-dim", metavar="N", type=int, help="coordinates of a gradient, for a new store")
    options.add_place(parser)
    options.add_manner(parser)


def execute(arguments: argparse.Namespace) -> None:
    """Add or drop, and print what it took.

    Raises
    ------
    InputError
        When both or neither can be done.
    """
    console = Console(quiet=arguments.quiet)
    store, added = _dropped(arguments) if arguments.drop else _added(arguments, console)
    if arguments.json:
        content = {"base": store.base, "tasks": store.gradients.tasks, "added": [asdict(one) for one in added]}
        print(results.as_json(content))
    else:
        tasks = ", ".join(store.gradients.tasks)
        print("\n".join([*map(_line, added), f"'{store.path}' holds {tasks}; base network of {', '.join(store.base)}"]))


def _added(arguments: argparse.Namespace, console: Console) -> tuple[BaseStore, list[Added]]:
    from cotrain.execution.devices import find_device
    from cotrain.gradients.base_store import BaseStore

    device = str(find_device(arguments.device or "cpu"))
    problem = problem_source.read_problem(problem_source.describe(problem_source.source_of(arguments), arguments))
    tasks = problem.subset(arguments.tasks or problem.names)
    store = BaseStore.open_or_create(
        arguments.store, base=tasks, projection_dim=arguments.projection_dim, seed=arguments.seed
    )
    added = []
    for one in store.add(problem, tasks, device=device):
        console.say(f"stored: {', '.join(one.tasks)}")
        added.append(one)
    return store, added


def _dropped(arguments: argparse.Namespace) -> tuple[BaseStore, list[Added]]:
    from cotrain.gradients.base_store import BaseStore

    if arguments.tasks or arguments.source or arguments.demo:
        raise InputError("`drop` takes a store and nothing else. Leave out the problem, or leave out --drop.")
    store = BaseStore.open(arguments.store)
    store.drop(arguments.drop)
    return store, []


def _line(added: Added) -> str:
    names = ", ".join(added.tasks)
    if not added.gradients:
        return f"{names}: nothing to do, all rows are stored"
    cost: Any = added.cost
    return f"{names}: {added.gradients} gradients, {cost.flops:.1e} FLOPs, {cost.seconds:.1f} s"
