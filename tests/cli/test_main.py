"""The command's help, exit codes and messages."""

import subprocess
import sys

import pytest

from cotrain.cli import run
from cotrain.cli.main import COMMANDS, main, parser
from cotrain.errors import DivergedError, InputError, MissingExtraError

HEAVY = ("torch", "sklearn", "pandas", "numpy", "scipy", "matplotlib", "rich")


def _modules_after(code: str) -> set[str]:
    code = f"import sys\n{code}\nprint(' '.join(sorted({{name.partition('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(done.stdout.split())


def test_help_imports_nothing_heavy() -> None:
    assert not _modules_after("from cotrain.cli.main import parser\nparser().format_help()") & set(HEAVY)


def test_importing_the_package_imports_nothing_heavy() -> None:
    assert not _modules_after("import cotrain\ndir(cotrain)") & set(HEAVY)


@pytest.mark.parametrize("command", [command.NAME for command in COMMANDS])
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0
    assert f"cotrain {command}" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["--version"])
    assert capsys.readouterr().out.startswith("cotrain ")


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (InputError("`networks` must be at least 1. Found 0."), 2, "`networks` must be at least 1. Found 0."),
        (MissingExtraError("reading Parquet files", extra="parquet"), 2, "pip install 'cotrain[parquet]'"),
        (OSError(28, "No space left on device", "run/affinity.npz"), 2, "No space left on device: 'run/affinity.npz'"),
        (DivergedError("The loss of task 'a' is not finite."), 1, "The loss of task 'a' is not finite."),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_errors_become_one_message_and_a_code(
    error: BaseException, code: int, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(run, "execute", fail)
    assert main(["run", "--demo", "--out", "unused"]) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert message in printed.err
    assert "Traceback" not in printed.err
