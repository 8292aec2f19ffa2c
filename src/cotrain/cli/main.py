"""The command ``cotrain``: sub-commands, exit codes, messages for people."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from cotrain._version import __version__
from cotrain.cli import add_task, doctor, estimate, evaluate, group, measure, report, run, train
from cotrain.errors import CotrainError, InputError, MissingExtraError

COMMANDS = (run, estimate, group, train, report, measure, evaluate, doctor, add_task)
DONE, FAILED, USER_MISTAKE, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return 0, 1 (failed), 2 (a user's mistake) or 130 (Ctrl-C).

    Parameters
    ----------
    arguments
        Those of the process by default.
    """
    chosen = parser().parse_args(arguments)
    # Read when torch is imported. By default its threads wait in a loop, for cores that other processes may keep busy.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        chosen.execute(chosen)
    except (InputError, MissingExtraError, OSError) as error:
        return _fail(_readable(error), USER_MISTAKE)
    except CotrainError as error:
        return _fail(str(error), FAILED)
    except KeyboardInterrupt:
        return _fail("interrupted; the same command goes on from here", INTERRUPTED)
    return DONE


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; building it imports nothing heavy."""
    root = argparse.ArgumentParser(
        prog="cotrain",
        description="Which tasks should train together? Estimate, group, train, and see whether it paid.",
    )
    root.add_argument("--version", action="version", version=f"cotrain {__version__}")
    commands = root.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        one = commands.add_parser(command.NAME, help=command.HELP, description=command.HELP)
        command.configure(one)
        one.set_defaults(execute=command.execute)
    return root


def _readable(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        where = f": '{error.filename}'" if error.filename else ""
        return f"{error.strerror}{where}"
    return str(error)


def _fail(message: str, code: int) -> int:
    print(f"cotrain: {message}", file=sys.stderr)
    return code
